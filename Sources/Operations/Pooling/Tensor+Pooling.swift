import Calls
import Tensors

extension Tensor {
  /// The greatest value of each window over pictures (N, C, H, W), as PyTorch's `max_pool2d`. The gradient goes to the
  /// first of the greatest; NaN is greater than all.
  ///
  /// - Parameters:
  ///   - size: the window's rows and columns.
  ///   - stride: how far it moves; nil for its size, so that windows neither overlap nor leave anything out.
  ///   - padding: how far the first and the last window may reach beyond the picture, at most half of their size. What
  ///     is there is never the greatest.
  ///   - ceilMode: whether a last window that reaches further still is one, too, as long as it begins in the picture or
  ///     before it.
  /// - Returns: (N, C, H', W') in this tensor's layout.
  /// - Throws: `TensorError` when the shape is another, a number out of its range, or the window larger than the picture
  ///   with its padding.
  public func maxPooled(
    _ size: RowsAndColumns = 2, stride: RowsAndColumns? = nil, padding: Margins = 0, ceilMode: Bool = false
  ) throws -> Tensor {
    let geometry = try PoolingGeometry.pooling(
      shape, size, stride: stride ?? size, padding: padding, ceilMode: ceilMode)
    return try MaxPooling(direction: .gather, geometry: geometry, chooser: self, operand: self).result()
  }

  /// The mean of each window over pictures (N, C, H, W), as PyTorch's `avg_pool2d`: padding counts as values of 0.
  ///
  /// - Parameters:
  ///   - size: the window's rows and columns.
  ///   - stride: how far it moves; nil for its size.
  ///   - padding: how far the first and the last window may reach beyond the picture, at most half of their size.
  ///   - ceilMode: whether a last window that reaches further still is one, too, as long as it begins in the picture or
  ///     before it. What of it lies beyond the padding does not count.
  /// - Returns: (N, C, H', W') in this tensor's layout.
  /// - Throws: as ``maxPooled(_:stride:padding:ceilMode:)``.
  public func averagePooled(
    _ size: RowsAndColumns = 2, stride: RowsAndColumns? = nil, padding: Margins = 0, ceilMode: Bool = false
  ) throws -> Tensor {
    let axes = try WindowAxis.pooling(shape, size, stride ?? size, padding)
    let maps = try zip(axes, [2, 3]).map { ($1, try $0.means(along: shape[$1], ceilMode)) }
    return try Rearrange(self, maps: Dictionary(uniqueKeysWithValues: maps)).result()
  }
}

extension PoolingGeometry {
  /// Windows over pictures.
  ///
  /// - Throws: `TensorError` as `Tensor.maxPooled(_:stride:padding:ceilMode:)`.
  package static func pooling(
    _ shape: Shape, _ size: RowsAndColumns, stride: RowsAndColumns, padding: Margins, ceilMode: Bool
  ) throws -> PoolingGeometry {
    let axes = try WindowAxis.pooling(shape, size, stride, padding)
    return PoolingGeometry(
      images: shape[0], maps: shape[1], height: shape[2], width: shape[3],
      rows: try axes[0].pooledPlaces(along: shape[2], ceilMode),
      columns: try axes[1].pooledPlaces(along: shape[3], ceilMode), windowHeight: axes[0].size,
      windowWidth: axes[1].size, strideRows: axes[0].stride, strideColumns: axes[1].stride, top: axes[0].before,
      left: axes[1].before)
  }
}

extension WindowAxis {
  /// The axes of a window over pictures.
  static func pooling(
    _ shape: Shape, _ size: RowsAndColumns, _ stride: RowsAndColumns, _ padding: Margins
  ) throws -> [WindowAxis] {
    try shape.requireWindows("pooled")
    let axes = try both(size: size, stride: stride, dilation: 1, padding: padding)
    guard axes.allSatisfy({ 2 * max($0.before, $0.after) <= $0.size }) else {
      throw TensorError.argument(
        name: "padding", expected: "half of the window's size \(size) at most", got: "\(padding)")
    }
    return axes
  }

  /// How many windows there are along so many places.
  func pooledPlaces(along extent: Int, _ ceilMode: Bool) throws -> Int {
    let count = try places(along: extent, roundsUp: ceilMode)
    // One that would begin in the padding after the picture has nothing in it.
    return (count - 1) * stride >= extent + before ? count - 1 : count
  }

  /// Means of the windows along so many places.
  fileprivate func means(along extent: Int, _ ceilMode: Bool) throws -> AxisMap {
    var (starts, sources, weights): ([Int32], [Int32], [Double]) = ([0], [], [])
    for window in 0..<(try pooledPlaces(along: extent, ceilMode)) {
      let first = window * stride - before
      let weight = 1 / Double(min(first + size, extent + after) - first)
      for place in max(first, 0)..<min(first + size, extent) {
        sources.append(Int32(place))
        weights.append(weight)
      }
      starts.append(Int32(sources.count))
    }
    return AxisMap(starts: starts, sources: sources, weights: weights, inputExtent: extent)
  }
}
