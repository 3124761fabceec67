import Tensors

/// NumPy's file format for one array: reads versions 1.0, 2.0 and 3.0, either byte order, C and Fortran order,
/// `float16`, `float32` and `float64`; writes 1.0, little endian, C order. What follows an array in its file is let be,
/// as NumPy does.
///
/// Source: NumPy Enhancement Proposal 1 and `numpy.lib.format`.
public enum NPY {
  /// Reads an array.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - layout: the order of the file's axes. With `Layout.nhwc` a file of shape (N, H, W, C) becomes a
  ///     tensor of shape (N, C, H, W) in that layout, without moving a value.
  /// - Throws: ``FileError`` when the file is missing, malformed or of another type; `TensorError.layout(_:shape:)`
  ///   when the layout does not exist for its rank.
  public static func read(from path: String, layout: Layout = .nchw) throws -> Tensor {
    let file = try FileReader(path)
    let (header, start) = try readHeader(file)
    let inFile = Shape(header.shape)
    guard layout.allows(rank: inFile.rank) else { throw TensorError.layout(layout, shape: inFile) }

    let expected: Int
    do {
      expected = try inFile.byteCount(of: header.type.dtype)
    } catch {
      throw FileError.malformed(path: path, reason: "\(error)")
    }
    guard file.size - start >= expected else {
      throw FileError.malformed(
        path: path,
        reason: "the header promises \(expected) bytes of values (shape \(inFile), \(header.type.dtype)), "
          + "the file has \(file.size - start)")
    }
    var tensor = try file.values(
      header.type, at: start, shape: inFile, isBigEndian: header.isBigEndian, of: "the array")
    if header.isFortranOrder { tensor = try transposed(tensor) }
    return tensor.reinterpreted(as: Shape(layout.logicalOrder(inFile.dimensions)), layout: layout)
  }

  /// Writes an array, its axes in the order in which the tensor has them in memory: (N, H, W, C) for
  /// `Layout.nhwc`. An existing file is replaced only when all is written.
  ///
  /// - Throws: ``FileError/notWritten(path:reason:)``; also for `bfloat16`, which NumPy does not have.
  public static func write(_ tensor: Tensor, to path: String) throws {
    guard tensor.dtype != .bfloat16 else {
      throw FileError.notWritten(path: path, reason: "NumPy has no bfloat16; convert to float32")
    }
    let host = try tensor.toHost()
    let shape = Shape(host.layout.memoryOrder(host.shape.dimensions))
    var header = "{'descr': '<f\(host.dtype.byteCount)', 'fortran_order': False, 'shape': \(shape), }"
    // The values begin at a multiple of 64.
    let prefixCount = 10
    let unpadded = prefixCount + header.utf8.count + 1
    header += String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
    let length = UInt16(header.utf8.count)
    let prefix = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)]
    try AtomicFile.write(to: path) { append in
      try (prefix + Array(header.utf8)).withUnsafeBytes { try append($0) }
      try host.withUnsafeBytes { try append($0) }
    }
  }

  /// Bytes. Longer headers than the first version's are for records of many fields, which tensors do not hold.
  private static let longestHeader: UInt64 = 65_535

  private static func readHeader(_ file: FileReader) throws -> (NPYHeader, start: Int) {
    let magic = try file.bytes(at: 0, count: min(8, file.size), what: "the magic number")
    guard magic.starts(with: [0x93] + Array("NUMPY".utf8)), magic.count == 8 else {
      let reason = try ForeignFile(file)?.description ?? "it does not begin with \\x93NUMPY"
      throw FileError.malformed(path: file.path, reason: "not an .npy file: \(reason)")
    }
    guard (1...3).contains(magic[6]), magic[7] == 0 else {
      throw FileError.unsupported(path: file.path, reason: ".npy version \(magic[6]).\(magic[7])")
    }
    let lengthWidth = magic[6] == 1 ? 2 : 4
    let length = try file.unsigned(at: 8, byteCount: lengthWidth, what: "the header's length")
    let start = 8 + lengthWidth
    guard length <= longestHeader else {
      throw FileError.unsupported(
        path: file.path, reason: "its header has \(length) bytes, and an array's has \(longestHeader) at most")
    }
    let text = try file.bytes(at: start, count: Int(length), what: "the header")
    do {
      return (try NPYHeader(parsing: text), start + text.count)
    } catch let fault as HeaderScanner.Fault {
      throw fault.isUnsupported
        ? FileError.unsupported(path: file.path, reason: fault.reason)
        : FileError.malformed(path: file.path, reason: "the .npy header is malformed: \(fault.reason)")
    }
  }

  /// The values of a Fortran-ordered array (first index fastest) in C order.
  private static func transposed(_ source: Tensor) throws -> Tensor {
    guard source.count > 0, source.shape.rank > 1 else { return source }
    var strides: [Int] = []
    var stride = 1
    for extent in source.shape {
      strides.append(stride)
      stride *= extent
    }
    return try source.strided(source.shape, by: strides)
  }
}
