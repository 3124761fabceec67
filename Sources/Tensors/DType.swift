/// The type of a tensor's values as they lie in memory.
///
/// `float16` and `bfloat16` are storage: statistics and arithmetic on them are done in a wider type and
/// the result is rounded once.
public enum DType: String, CaseIterable, Hashable, Sendable, CustomStringConvertible {
  case float16
  case bfloat16
  case float32
  case float64

  /// The Swift type of its values.
  public var scalarType: any Scalar.Type {
    switch self {
    case .float16: Float16.self
    case .bfloat16: BFloat16.self
    case .float32: Float.self
    case .float64: Double.self
    }
  }

  /// Bytes one value takes.
  @inlinable public var byteCount: Int {
    switch self {
    case .float16, .bfloat16: 2
    case .float32: 4
    case .float64: 8
    }
  }

  /// The type in which a layer that computes in `self` keeps its parameters and their gradients:
  /// `float32` for the half-width types, as cuDNN and mixed-precision training have it.
  @inlinable public var parameterDType: DType {
    self == .float64 ? .float64 : .float32
  }

  public var description: String { rawValue }

  /// 8 bytes of a value, repeated.
  package func pattern(of value: Double) -> UInt64 {
    switch self {
    case .float16: UInt64(Float16(value).bitPattern) * 0x0001_0001_0001_0001
    case .bfloat16: UInt64(BFloat16(value).bitPattern) * 0x0001_0001_0001_0001
    case .float32: UInt64(Float(value).bitPattern) * 0x0000_0001_0000_0001
    case .float64: value.bitPattern
    }
  }
}

/// A Swift type that a tensor can hold, one for each ``DType``.
public protocol Scalar: BitwiseCopyable, Sendable {
  static var dtype: DType { get }

  /// The nearest value of this type; ties to even, overflow to infinity.
  init(_ value: Double)

  /// The same value in float64, which holds every value of every scalar type.
  var double: Double { get }
}

extension Float16: Scalar {
  public static var dtype: DType { .float16 }
  public var double: Double { Double(self) }
}

extension Float: Scalar {
  public static var dtype: DType { .float32 }
  @inlinable public var double: Double { Double(self) }
}

extension Double: Scalar {
  public static var dtype: DType { .float64 }
  @inlinable public var double: Double { self }
}
