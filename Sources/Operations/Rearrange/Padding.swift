import Calls
import Tensors

/// What lies beyond the edges of a picture.
public enum PaddingMode: String, CaseIterable, Codable, Hashable, Sendable {
  case zero
  /// The picture mirrored at its edge, which itself is not repeated: c b | a b c | b a.
  case reflect
  /// The edge repeated: a a | a b c | c c.
  case replicate
}

extension Tensor {
  /// Pictures with more at each edge.
  ///
  /// - Parameters:
  ///   - amount: how many rows and columns at each edge.
  ///   - mode: what is there.
  /// - Throws: `TensorError` when the rank is not 3 or more or, for `reflect`, the picture not larger than the padding.
  public func padded(_ amount: Int, mode: PaddingMode = .zero) throws -> Tensor {
    try padded(rows: (amount, amount), columns: (amount, amount), mode: mode)
  }

  /// The same with other amounts before and after.
  public func padded(
    rows: (before: Int, after: Int), columns: (before: Int, after: Int), mode: PaddingMode = .zero
  ) throws -> Tensor {
    try requirePictures()
    var maps: [Int: AxisMap] = [:]
    for (axis, padding) in [(shape.rank - 2, rows), (shape.rank - 1, columns)] {
      if padding != (0, 0) { maps[axis] = try map(padding, mode, along: axis) }
    }
    return maps.isEmpty ? self : try Rearrange(self, maps: maps).result()
  }

  /// More places before and after those of one axis.
  public func padded(along axis: Int, before: Int, after: Int, mode: PaddingMode = .zero) throws -> Tensor {
    let axis = try checked(axis: axis)
    return try Rearrange(self, maps: [axis: map((before, after), mode, along: axis)]).result()
  }

  private func map(_ padding: (before: Int, after: Int), _ mode: PaddingMode, along axis: Int) throws -> AxisMap {
    let extent = shape[axis]
    guard padding.before >= 0, padding.after >= 0, padding.before < 1 << 30, padding.after < 1 << 30 else {
      throw TensorError.argument(name: "padding", expected: "0 or more", got: "\(padding)")
    }
    switch mode {
    case .reflect where Swift.max(padding.before, padding.after) >= extent:
      throw TensorError.argument(
        name: "padding", expected: "less than \(extent), axis \(axis) of shape \(shape), to be mirrored",
        got: "\(padding)")
    case .replicate where extent == 0:
      throw TensorError.invalidShape(shape, reason: "there is no edge to repeat")
    default: break
    }
    return AxisMap(
      (-padding.before..<extent + padding.after).map { place -> Int? in
        if (0..<extent).contains(place) { return place }
        switch mode {
        case .zero: return nil
        case .reflect: return place < 0 ? -place : 2 * (extent - 1) - place
        case .replicate: return place < 0 ? 0 : extent - 1
        }
      }, inputExtent: extent)
  }
}
