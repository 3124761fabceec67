import Calls
import Tensors

// Here and not beside the record, so that the compiler has it at hand where it is used for every plane.

extension ParameterValues {
  /// The value of a plane, which is of some map; 1 or 0 where it has many.
  @inline(__always)
  func value(_ plane: Int, map: Int) -> Double {
    switch grain {
    case .map: self[map]
    case .plane: self[plane]
    case .element: constant
    }
  }

  /// The values of a plane from its `start`th on are at this and the following indices.
  func firstElement(_ plane: Int, _ start: Int, _ planes: Planes) -> Int {
    plane % planes.maps * planes.size + start
  }

  @inline(__always)
  subscript(index: Int) -> Double {
    guard let base else { return constant }
    return isDouble
      ? base.load(fromByteOffset: index * 8, as: Double.self)
      : Double(base.load(fromByteOffset: index * 4, as: Float.self))
  }
}
