/// The lowest bytes of a number, the lowest of all first.
public func littleEndian(_ value: some BinaryInteger, byteCount: Int) -> [UInt8] {
  (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
}
