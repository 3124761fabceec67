/// Addresses for memory that OpenCL only names: `cl_mem` objects have none that the host could reckon with.
///
/// Each gets a range of numbers that no other has or had, so that an address may point into the middle of one.
struct OpenCLBuffers {
  private struct Range {
    let start: UInt
    let byteCount: Int
    let handle: OpenCLLibrary.Handle
  }

  /// In ascending order.
  private var ranges: [Range] = []
  // Far from what the process itself has, so that a mistake is found.
  private var next: UInt = 1 << 60

  /// Gives an object an address, a multiple of 64.
  mutating func add(_ handle: OpenCLLibrary.Handle, byteCount: Int) -> UnsafeMutableRawPointer? {
    let start = next
    next += UInt(byteCount) / 64 * 64 + 128
    ranges.append(Range(start: start, byteCount: byteCount, handle: handle))
    return UnsafeMutableRawPointer(bitPattern: start)
  }

  /// Takes an address back that was given; nil where it was not.
  mutating func remove(_ address: UnsafeMutableRawPointer) -> OpenCLLibrary.Handle? {
    guard let index = index(of: address), ranges[index].start == UInt(bitPattern: address) else { return nil }
    return ranges.remove(at: index).handle
  }

  /// The object that an address points into, and how many bytes from its start; nil where there is none.
  func find(_ address: UnsafeMutableRawPointer) -> (handle: OpenCLLibrary.Handle, offset: Int)? {
    guard let index = index(of: address) else { return nil }
    return (ranges[index].handle, Int(UInt(bitPattern: address) - ranges[index].start))
  }

  private func index(of address: UnsafeMutableRawPointer) -> Int? {
    let address = UInt(bitPattern: address)
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].start <= address { low = middle + 1 } else { high = middle }
    }
    guard low > 0, address - ranges[low - 1].start <= UInt(ranges[low - 1].byteCount) else { return nil }
    return low - 1
  }
}
