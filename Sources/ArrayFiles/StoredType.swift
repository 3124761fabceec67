import Tensors

/// The type of values as they lie in a file.
package enum StoredType: Sendable {
  case float16, bfloat16, float32, float64
  case bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64

  /// Bytes one value takes.
  package var byteCount: Int {
    switch self {
    case .bool, .int8, .uint8: 1
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  /// The type of a tensor of such values. Whole numbers become float64.
  package var dtype: DType {
    switch self {
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .float32: .float32
    default: .float64
    }
  }

  /// Whether the values are whole numbers, which truth values are too: 0 and 1.
  package var isWhole: Bool {
    switch self {
    case .float16, .bfloat16, .float32, .float64: false
    default: true
    }
  }
}
