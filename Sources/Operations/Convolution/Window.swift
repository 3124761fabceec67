import Tensors

/// A number for rows and one for columns: how large a window is, how far it moves, how far its places are apart. A
/// literal stands for both:
///
///     try x.convolved(with: w, stride: 2, dilation: RowsAndColumns(1, 2))
public struct RowsAndColumns: Hashable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
  public var rows: Int
  public var columns: Int

  public init(_ rows: Int, _ columns: Int) {
    self.rows = rows
    self.columns = columns
  }

  /// The same for both.
  public init(_ both: Int) { self.init(both, both) }

  public init(integerLiteral value: Int) { self.init(value) }

  public var description: String { rows == columns ? "\(rows)" : "(\(rows), \(columns))" }
}

/// How many rows or columns there are beyond each edge of a picture. A literal stands for all four.
public struct Margins: Hashable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
  public var top: Int
  public var left: Int
  public var bottom: Int
  public var right: Int

  public init(top: Int, left: Int, bottom: Int, right: Int) {
    self.top = top
    self.left = left
    self.bottom = bottom
    self.right = right
  }

  /// So many rows above and below, and columns to the left and right.
  public init(rows: Int, columns: Int) { self.init(top: rows, left: columns, bottom: rows, right: columns) }

  /// The same at each edge.
  public init(_ all: Int) { self.init(rows: all, columns: all) }

  public init(integerLiteral value: Int) { self.init(value) }

  public var description: String {
    if top == bottom, left == right { return "\(RowsAndColumns(top, left))" }
    return "(top \(top), left \(left), bottom \(bottom), right \(right))"
  }
}

/// A window along one axis.
struct WindowAxis {
  /// What the axis is called in errors.
  let name: String
  let size: Int
  let stride: Int
  let dilation: Int
  let before: Int
  let after: Int

  /// Rows, then columns.
  static func both(
    size: RowsAndColumns, stride: RowsAndColumns, dilation: RowsAndColumns, padding: Margins
  ) throws -> [WindowAxis] {
    // The limits keep every sum and product of these numbers within 64 bits.
    for (name, pair) in [("size", size), ("stride", stride), ("dilation", dilation)]
    where min(pair.rows, pair.columns) < 1 || max(pair.rows, pair.columns) >= 1 << 30 {
      throw TensorError.argument(name: name, expected: "1 or more", got: "\(pair)")
    }
    let margins = [padding.top, padding.left, padding.bottom, padding.right]
    guard margins.allSatisfy({ $0 >= 0 && $0 < 1 << 30 }) else {
      throw TensorError.argument(name: "padding", expected: "0 or more", got: "\(padding)")
    }
    return [
      WindowAxis(
        name: "height", size: size.rows, stride: stride.rows, dilation: dilation.rows, before: padding.top,
        after: padding.bottom),
      WindowAxis(
        name: "width", size: size.columns, stride: stride.columns, dilation: dilation.columns, before: padding.left,
        after: padding.right),
    ]
  }

  /// How many places the window spans.
  var span: Int { (size - 1) * dilation + 1 }

  /// How many of the picture's places so many of the window's make up, without those that the padding takes.
  func extent(places: Int) -> Int { (places - 1) * stride + span - before - after }

  /// How many places the window has along so many of the picture's.
  ///
  /// - Parameter roundsUp: whether it may also begin where it ends beyond the padding.
  func places(along extent: Int, roundsUp: Bool = false) throws -> Int {
    let padded = extent + before + after
    guard span <= padded else {
      throw TensorError.argument(
        name: "size", expected: "a window of \(name) \(padded) at most, that of the picture with its padding",
        got: size == span ? "\(size)" : "\(span), \(size) places of dilation \(dilation)")
    }
    let rest = padded - span
    return roundsUp ? (rest + stride - 1) / stride + 1 : rest / stride + 1
  }
}
