import InstanceNorm

/// Something that holds on every device, and the cases that show it.
package struct Promise: Sendable {
  package let title: String
  let tryAll: @Sendable (_ device: Device, _ tally: inout Tally) throws -> Void

  init(_ title: String, _ tryAll: @escaping @Sendable (_ device: Device, _ tally: inout Tally) throws -> Void) {
    self.title = title
    self.tryAll = tryAll
  }

  package static let all = exact + alike + kept
}
