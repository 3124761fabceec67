import ArgumentParser
import InstanceNorm

/// Where a verb computes.
struct Place: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where to compute: auto, gpu, gpu:1 and so on, or a name from `instnorm devices`.", valueName: "device"))
  var device = Self.auto

  @Option(
    parsing: .unconditional,
    help: "Threads on the CPU, 1 to \(ThreadedWork.mostThreads). (default: one for each core)")
  var threads: Int?

  private static let auto = "auto"

  func validate() throws {
    let range = 1...ThreadedWork.mostThreads
    if let threads, !range.contains(threads) {
      throw ValidationError("--threads: expected \(range.lowerBound) to \(range.upperBound); got \(threads)")
    }
  }

  /// The device that was named. For `auto`, it is one that computes in the type, and the CPU if a number of threads was
  /// asked for.
  ///
  /// - Throws: `ValidationError`.
  func device(computingIn dtype: DType = .float32) throws -> Device {
    let isOurs = device == Self.auto
    var chosen: Device
    do {
      chosen = try Device(named: device)
    } catch let error as DeviceError {
      var text = "--device: \(error)"
      if case .noGPU = error { text += Device.unavailable.map { "; not here: \($0)" }.joined() }
      throw ValidationError(text)
    }
    if isOurs, threads != nil || !chosen.supportedTypes.contains(dtype) { chosen = .cpu }
    guard chosen.supportedTypes.contains(dtype) else {
      throw ValidationError("\(DeviceError.unsupportedType(operation: "--device", device: chosen.name, got: dtype))")
    }
    guard let threads else { return chosen }
    guard chosen == .cpu else { throw ValidationError("--threads: is for the CPU, the device is \(chosen)") }
    return try .cpu(threads: threads)
  }
}
