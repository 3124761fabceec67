import Tensors

extension FileReader {
  /// Reads values that follow one another. Whole numbers become float64.
  ///
  /// - Parameters:
  ///   - place: where the first lies.
  ///   - name: the tensor's, for errors.
  /// - Throws: ``FileError/unsupported(path:reason:)`` for a whole number that float64 does not hold, or the system's
  ///   error.
  package func values(
    _ type: StoredType, at place: Int, shape: Shape, isBigEndian: Bool = false, of name: String
  ) throws -> Tensor {
    func whole<Word: FixedWidthInteger & BitwiseCopyable>(_: Word.Type) throws -> Tensor {
      try wholeNumbers(at: place, shape, name) { (word: Word) in
        let number = isBigEndian ? Word(bigEndian: word) : Word(littleEndian: word)
        return (Double(exactly: number), "\(number)")
      }
    }
    switch type {
    case .float16, .bfloat16, .float32, .float64:
      var tensor = try Self.tensor(path, shape, type.dtype)
      try tensor.withUnsafeMutableBytes { bytes in
        try read(at: place, into: bytes)
        if isBigEndian { swapBytes(bytes, width: type.byteCount) }
      }
      return tensor
    case .bool: return try wholeNumbers(at: place, shape, name) { (word: UInt8) in (word == 0 ? 0 : 1, "") }
    case .int8: return try whole(Int8.self)
    case .uint8: return try whole(UInt8.self)
    case .int16: return try whole(Int16.self)
    case .uint16: return try whole(UInt16.self)
    case .int32: return try whole(Int32.self)
    case .uint32: return try whole(UInt32.self)
    case .int64: return try whole(Int64.self)
    case .uint64: return try whole(UInt64.self)
    }
  }

  private func wholeNumbers<Word: FixedWidthInteger & BitwiseCopyable>(
    at place: Int, _ shape: Shape, _ name: String, _ convert: (Word) -> (value: Double?, text: String)
  ) throws -> Tensor {
    var tensor = try Self.tensor(path, shape, .float64)
    try tensor.withUnsafeMutableBuffer(of: Double.self) { values in
      let width = Word.bitWidth / 8
      var part = [Word](repeating: 0, count: min(values.count, 4096))
      for first in stride(from: 0, to: values.count, by: 4096) {
        let count = min(4096, values.count - first)
        try part.withUnsafeMutableBytes { bytes in
          try read(at: place + first * width, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<(count * width)]))
        }
        for index in 0..<count {
          let (value, text) = convert(part[index])
          guard let value else {
            throw FileError.unsupported(path: path, reason: "\(quoted(name)) has \(text), which float64 does not hold")
          }
          values[first + index] = value
        }
      }
    }
    return tensor
  }

  private func swapBytes(_ bytes: UnsafeMutableRawBufferPointer, width: Int) {
    func swap<Word: FixedWidthInteger>(_ type: Word.Type) {
      for index in bytes.assumingMemoryBound(to: Word.self).indices {
        bytes.assumingMemoryBound(to: Word.self)[index] = bytes.assumingMemoryBound(to: Word.self)[index].byteSwapped
      }
    }
    switch width {
    case 2: swap(UInt16.self)
    case 4: swap(UInt32.self)
    default: swap(UInt64.self)
    }
  }
}

extension Tensor {
  /// What a view of these values has, which follow one another: value (i, j, ...) is number i s0 + j s1 + ... of them.
  /// The caller knows that all of these are there.
  package func strided(_ shape: Shape, by strides: [Int]) throws -> Tensor {
    var result = try Tensor(uninitialized: shape, dtype: dtype)
    try withUnsafeBytes { from in
      try result.withUnsafeMutableBytes { to in
        func copy<Word: BitwiseCopyable>(_ type: Word.Type) {
          let (from, to) = (from.assumingMemoryBound(to: Word.self), to.assumingMemoryBound(to: Word.self))
          var index = [Int](repeating: 0, count: shape.rank)
          var offset = 0
          for target in to.indices {
            to[target] = from[offset]
            var axis = shape.rank - 1
            while axis >= 0 {
              index[axis] += 1
              offset += strides[axis]
              if index[axis] < shape[axis] { break }
              offset -= strides[axis] * shape[axis]
              index[axis] = 0
              axis -= 1
            }
          }
        }
        switch dtype.byteCount {
        case 2: copy(UInt16.self)
        case 4: copy(UInt32.self)
        default: copy(UInt64.self)
        }
      }
    }
    return result
  }
}
