import ArgumentParser
import InstanceNorm
import Text

struct Devices: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the devices at hand; a star marks the default.",
    discussion: """
      Each line is a name for --device, what the device is and the types that it computes in. Last come the kinds of \
      devices that are missing, each with the reason.
      """)

  @Flag(help: "Write JSON instead of a list.")
  var json = false

  func run() throws {
    let devices = Device.available
    let absent = Device.unavailable.map { oneLine("\($0)") }
    if json {
      return try sayJSON(Report(default: Device.default.name, devices: devices.map(Entry.init), unavailable: absent))
    }
    let width = devices.map(\.name.count).max() ?? 0
    for device in devices {
      let name = device.name + String(repeating: " ", count: width - device.name.count)
      let types = device.supportedTypes.map(\.rawValue).joined(separator: ", ")
      try say("\(device == .default ? "*" : " ") \(name)  \(oneLine(device.summary)); \(types)")
    }
    for reason in absent { try say("not here: \(reason)") }
  }

  private struct Report: Encodable {
    let `default`: String
    let devices: [Entry]
    /// Why other kinds of devices are missing.
    let unavailable: [String]
  }

  private struct Entry: Encodable {
    let name: String
    let summary: String
    let isGPU: Bool
    /// Bytes.
    let memory: Int
    let types: [String]

    init(_ device: Device) {
      (name, summary, isGPU, memory) = (device.name, device.summary, device.isGPU, device.memory)
      types = device.supportedTypes.map(\.rawValue)
    }
  }
}
