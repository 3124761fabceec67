import InstanceNorm
import Text

/// Which promises a device keeps, and how fast it is.
package struct Report: Encodable {
  let device: String
  let summary: String
  let isGPU: Bool
  /// Bytes.
  let memory: Int
  private var promises: [Finding] = []
  private var speed: [SpeedRow] = []

  /// Puts a device to every promise.
  ///
  /// - Parameters:
  ///   - measuringSpeed: whether its speed is measured too.
  ///   - tell: gets each line of the report as soon as it is known.
  /// - Throws: what `tell` and measuring throw; a promise that is broken is no error.
  package init(
    on device: Device, measuringSpeed: Bool, tell: (_ line: String) throws -> Void
  ) throws {
    (self.device, summary) = (device.name, device.summary)
    (isGPU, memory) = (device.isGPU, device.memory)
    try tell("\(device): \(oneLine(device.summary))")
    for promise in Promise.all {
      let finding = Finding(promise, on: device)
      promises.append(finding)
      try tell(finding.line)
    }
    guard measuringSpeed else { return }
    try tell(SpeedRow.titles)
    try SpeedRow.measureAll(on: device) { row in
      speed.append(row)
      try tell(row.line)
    }
  }

  /// What is wrong with the device, in words; nil when it keeps every promise.
  package var fault: String? {
    let broken = promises.filter { !$0.isKept }.count
    return broken == 0 ? nil : "\(device): \(broken) of \(promises.count) promises are broken"
  }
}
