import ArgumentParser
import InstanceNorm

struct Devices: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the devices at hand; a star marks the default.")

  func run() throws {
    for device in Device.available {
      try say("\(device == .default ? "*" : " ") \(device)  \(device.summary)")
    }
  }
}
