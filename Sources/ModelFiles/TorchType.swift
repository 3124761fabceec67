import ArrayFiles

/// A type of values as PyTorch has it.
struct TorchType: Sendable {
  /// PyTorch's: `float32`.
  let name: String
  /// Bytes one value takes.
  let byteCount: Int
  /// nil where tensors here have no such values.
  let stored: StoredType?

  private init(_ name: String, _ stored: StoredType) {
    (self.name, byteCount, self.stored) = (name, stored.byteCount, stored)
  }

  private init(_ name: String, unread byteCount: Int) {
    (self.name, self.byteCount, stored) = (name, byteCount, nil)
  }

  /// By their names as `torch.dtype`.
  static let named: [String: TorchType] = {
    let types: [TorchType] = [
      TorchType("float16", .float16), TorchType("bfloat16", .bfloat16), TorchType("float32", .float32),
      TorchType("float64", .float64), TorchType("bool", .bool), TorchType("int8", .int8), TorchType("uint8", .uint8),
      TorchType("int16", .int16), TorchType("uint16", .uint16), TorchType("int32", .int32),
      TorchType("uint32", .uint32), TorchType("int64", .int64), TorchType("uint64", .uint64),
      TorchType("complex32", unread: 4), TorchType("complex64", unread: 8), TorchType("complex128", unread: 16),
      TorchType("float8_e4m3fn", unread: 1), TorchType("float8_e4m3fnuz", unread: 1),
      TorchType("float8_e5m2", unread: 1), TorchType("float8_e5m2fnuz", unread: 1),
      TorchType("float8_e8m0fnu", unread: 1), TorchType("float4_e2m1fn_x2", unread: 1),
      TorchType("qint8", unread: 1), TorchType("quint8", unread: 1), TorchType("qint32", unread: 4),
      TorchType("quint4x2", unread: 1), TorchType("quint2x4", unread: 1),
    ]
    return Dictionary(uniqueKeysWithValues: types.map { ($0.name, $0) })
  }()

  /// By the classes of their storages.
  static let ofStorages: [String: TorchType] = [
    "HalfStorage": "float16", "BFloat16Storage": "bfloat16", "FloatStorage": "float32", "DoubleStorage": "float64",
    "BoolStorage": "bool", "CharStorage": "int8", "ByteStorage": "uint8", "ShortStorage": "int16",
    "IntStorage": "int32", "LongStorage": "int64", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "QInt8Storage": "qint8", "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32", "QUInt4x2Storage": "quint4x2", "QUInt2x4Storage": "quint2x4",
    "UntypedStorage": "uint8",
  ].compactMapValues { named[$0] }
}
