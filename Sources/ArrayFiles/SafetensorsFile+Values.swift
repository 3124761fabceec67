import Tensors

extension SafetensorsFile {
  /// Reads a tensor. Whole numbers become float64.
  ///
  /// - Throws: ``FileError/missingTensor(path:name:available:)``, ``FileError/unsupported(path:reason:)`` when its
  ///   values are neither floating point numbers of 16, 32 or 64 bits nor whole numbers that float64 holds, or the
  ///   system's error.
  public func tensor(named name: String) throws -> Tensor {
    guard let entry = entries[name] else {
      throw FileError.missingTensor(path: path, name: name, available: names)
    }
    switch entry.dtype {
    case "I8": return try wholeNumbers(Int8.self, name, entry)
    case "U8": return try wholeNumbers(UInt8.self, name, entry)
    case "I16": return try wholeNumbers(Int16.self, name, entry)
    case "U16": return try wholeNumbers(UInt16.self, name, entry)
    case "I32": return try wholeNumbers(Int32.self, name, entry)
    case "U32": return try wholeNumbers(UInt32.self, name, entry)
    case "I64": return try wholeNumbers(Int64.self, name, entry)
    case "U64": return try wholeNumbers(UInt64.self, name, entry)
    default: break
    }
    guard let dtype = Self.dtypes[entry.dtype] else {
      throw FileError.unsupported(
        path: path,
        reason: "\(quoted(name)) has values of type \(quoted(entry.dtype)) (floating point of 16, 32 and 64 bits and "
          + "whole numbers are read)")
    }
    var tensor = try FileReader.tensor(path, entry.shape, dtype)
    try tensor.withUnsafeMutableBytes { try reader.read(at: start + entry.range.lowerBound, into: $0) }
    return tensor
  }

  private func wholeNumbers<Word: FixedWidthInteger & BitwiseCopyable>(
    _ type: Word.Type, _ name: String, _ entry: Entry
  ) throws -> Tensor {
    var tensor = try FileReader.tensor(path, entry.shape, .float64)
    try tensor.withUnsafeMutableBuffer(of: Double.self) { values in
      let width = Word.bitWidth / 8
      var part = [Word](repeating: 0, count: min(values.count, 4096))
      for first in stride(from: 0, to: values.count, by: 4096) {
        let count = min(4096, values.count - first)
        let place = start + entry.range.lowerBound + first * width
        try part.withUnsafeMutableBytes { bytes in
          try reader.read(at: place, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<(count * width)]))
        }
        for index in 0..<count {
          let number = Word(littleEndian: part[index])
          guard let value = Double(exactly: number) else {
            throw FileError.unsupported(
              path: path, reason: "\(quoted(name)) has \(number), which float64 does not hold")
          }
          values[first + index] = value
        }
      }
    }
    return tensor
  }
}
