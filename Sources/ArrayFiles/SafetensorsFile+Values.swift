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
    guard let type = Self.types[entry.dtype] else {
      throw FileError.unsupported(
        path: path,
        reason: "\(quoted(name)) has values of type \(quoted(entry.dtype)) (floating point of 16, 32 and 64 bits and "
          + "whole numbers are read)")
    }
    return try reader.values(type, at: start + entry.range.lowerBound, shape: entry.shape, of: name)
  }

  private static let types: [String: StoredType] = [
    "F16": .float16, "BF16": .bfloat16, "F32": .float32, "F64": .float64, "BOOL": .bool, "I8": .int8, "U8": .uint8,
    "I16": .int16, "U16": .uint16, "I32": .int32, "U32": .uint32, "I64": .int64, "U64": .uint64,
  ]
}
