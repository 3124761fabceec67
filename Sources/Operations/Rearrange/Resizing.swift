import Calls
import Tensors

/// How a picture gets another size.
public enum ResizeMode: Hashable, Sendable {
  /// Each pixel is the one of the input that it lies in.
  case nearest
  /// Each pixel is a weighted mean of the four around it. Corners are the input's own with `alignCorners`, or else the
  /// edges of the outermost pixels are.
  case bilinear(alignCorners: Bool = false)
  /// Each pixel is a weighted mean of the input's around it, as far as its own neighbours are away: bilinear where pictures
  /// become larger, without the patterns that fine lines leave where they become smaller. PyTorch's `antialias`.
  case smooth
}

extension Tensor {
  /// Pictures of another height and width, as PyTorch's `interpolate`.
  ///
  /// - Parameters:
  ///   - size: the height and width.
  ///   - mode: how.
  /// - Throws: `TensorError` when the rank is not 3 or more or there is nothing to make pixels of.
  public func resized(to size: [Int], mode: ResizeMode = .nearest) throws -> Tensor {
    try requirePictures()
    guard size.count == 2, size.allSatisfy({ $0 > 0 && $0 < 1 << 30 }) else {
      throw TensorError.argument(name: "size", expected: "a height and a width, 1 or more", got: "\(size)")
    }
    var maps: [Int: AxisMap] = [:]
    for (axis, extent) in zip([shape.rank - 2, shape.rank - 1], size) where shape[axis] != extent {
      guard shape[axis] > 0 else { throw TensorError.invalidShape(shape, reason: "there are no pixels to resize") }
      maps[axis] = mode.map(from: shape[axis], to: extent)
    }
    return maps.isEmpty ? self : try Rearrange(self, maps: maps).result()
  }

  /// Pictures that are so many times as high and as wide.
  public func upsampled(by factor: Int, mode: ResizeMode = .nearest) throws -> Tensor {
    try requirePictures()
    guard factor > 0, factor < 1 << 16 else {
      throw TensorError.argument(name: "factor", expected: "1 or more", got: "\(factor)")
    }
    return try resized(to: shape.suffix(2).map { $0 * factor }, mode: mode)
  }
}

extension Tensor {
  /// Pictures whose rows and columns are those that two maps make of them, whose inputs are this tensor's.
  package func mapped(rows: AxisMap, columns: AxisMap) throws -> Tensor {
    try Rearrange(self, maps: [shape.rank - 2: rows, shape.rank - 1: columns]).result()
  }
}

extension ResizeMode {
  /// What each place of an axis is made of.
  fileprivate func map(from input: Int, to output: Int) -> AxisMap {
    switch self {
    case .nearest:
      return AxisMap((0..<output).map { Swift.min($0 * input / output, input - 1) }, inputExtent: input)
    case .bilinear(let alignCorners):
      var starts: [Int32] = [0]
      var sources: [Int32] = []
      var weights: [Double] = []
      for place in 0..<output {
        let position =
          alignCorners
          ? (output == 1 ? 0 : Double(place) * Double(input - 1) / Double(output - 1))
          : Swift.max((Double(place) + 0.5) * Double(input) / Double(output) - 0.5, 0)
        let first = Swift.min(Int(position), input - 1)
        let part = position - Double(first)
        sources.append(Int32(first))
        weights.append(first + 1 < input ? 1 - part : 1)
        if first + 1 < input, part > 0 {
          sources.append(Int32(first + 1))
          weights.append(part)
        }
        starts.append(Int32(sources.count))
      }
      return AxisMap(starts: starts, sources: sources, weights: weights, inputExtent: input)
    case .smooth:
      return .smooth(from: input, to: output, places: 0..<output)
    }
  }
}

extension AxisMap {
  /// Of an axis that gets another extent, as ``ResizeMode/smooth`` does it, some places in any order.
  package static func smooth(from input: Int, to output: Int, places: some Sequence<Int>) -> AxisMap {
    let step = Double(input) / Double(output)
    let reach = Swift.max(step, 1)
    var starts: [Int32] = [0]
    var sources: [Int32] = []
    var weights: [Double] = []
    for place in places {
      let centre = (Double(place) + 0.5) * step
      let near = Swift.max(Int(centre - reach + 0.5), 0)..<Swift.min(Int(centre + reach + 0.5), input)
      // A triangle around the centre.
      let heights = near.map { Swift.max(1 - abs(Double($0) + 0.5 - centre) / reach, 0) }
      let sum = heights.reduce(0, +)
      for (source, height) in zip(near, heights) where height > 0 {
        sources.append(Int32(source))
        weights.append(height / sum)
      }
      starts.append(Int32(sources.count))
    }
    return AxisMap(starts: starts, sources: sources, weights: weights, inputExtent: input)
  }
}
