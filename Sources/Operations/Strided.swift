import Calls
import Tensors

/// The extents of a computation over several tensors, with axes joined where that makes no difference to any of them:
/// what a record has room for, and as few loops as can be.
struct Strided {
  private(set) var extents: Axes
  /// For each tensor, its stride along each extent.
  private(set) var strides: [Axes]
  /// For each extent, the last of the axes that it is of; nil where all of them were 1.
  private(set) var axes: [Int?]

  /// - Parameters:
  ///   - shape: the extents.
  ///   - order: in which the axes are gone over: that of a layout.
  ///   - strides: for each tensor, its stride along each axis.
  ///   - separate: axes that are not joined with others.
  /// - Throws: `TensorError.invalidShape(_:reason:)` where more axes are left than a record has.
  init(_ shape: Shape, order: Layout = .nchw, _ strides: [[Int]], separate: Set<Int> = []) throws {
    let axes = order.memoryOrder(Array(shape.indices))
    var extents: [Int] = []
    var joined: [[Int]] = strides.map { _ in [] }
    var last: Int?
    var kept: [Int?] = []
    for axis in axes where shape[axis] != 1 || separate.contains(axis) {
      let isJoinable =
        last.map { last in
          !separate.contains(last) && !separate.contains(axis)
            && strides.indices.allSatisfy { strides[$0][last] == strides[$0][axis] * shape[axis] }
        } ?? false
      if isJoinable {
        extents[extents.count - 1] *= shape[axis]
        for index in strides.indices { joined[index][joined[index].count - 1] = strides[index][axis] }
        kept[kept.count - 1] = axis
      } else {
        extents.append(shape[axis])
        kept.append(axis)
        for index in strides.indices { joined[index].append(strides[index][axis]) }
      }
      last = axis
    }
    if extents.isEmpty {
      extents = [1]
      joined = strides.map { _ in [1] }
      kept = [nil]
    }
    guard extents.count <= Axes.limit else {
      throw TensorError.invalidShape(
        shape, reason: "\(extents.count) axes that cannot be gone over together; \(Axes.limit) are the most")
    }
    self.extents = Axes(extents)
    self.strides = joined.map { Axes($0) }
    self.axes = kept
  }
}

extension Tensor {
  /// - Throws: `TensorError` or `DeviceError` unless another tensor has this one's shape, dtype and device.
  package func requireLike(_ other: Tensor, _ operation: @autoclosure () -> String) throws {
    guard other.shape == shape else {
      throw TensorError.shapeMismatch(operation: operation(), expected: shape, got: other.shape)
    }
    guard other.dtype == dtype else {
      throw TensorError.dtypeMismatch(operation: operation(), expected: dtype, got: other.dtype)
    }
    guard isBeside(other) else {
      throw DeviceError.mismatch(operation: operation(), expected: device, got: other.device)
    }
  }

  /// The same, and this one's layout.
  func requireSame(_ other: Tensor, _ operation: @autoclosure () -> String) throws {
    try requireLike(other, operation())
    guard other.layout == layout else {
      throw TensorError.layoutMismatch(operation: operation(), expected: layout, got: other.layout)
    }
  }

  /// Another tensor in this one's layout, once it is known to have its shape and dtype and to be where it is.
  ///
  /// - Parameter operation: what errors call the operation; made only for them.
  package func agreeing(_ other: Tensor, _ operation: @autoclosure () -> String) throws -> Tensor {
    try requireLike(other, operation())
    return try other.to(layout)
  }
}
