import Calls
import Tensors

/// Loops over the places of some extents, for two or three operands: in the order of the last one's memory, axes that
/// lie together in all of them made one, axes of one place left out.
struct Loops {
  private(set) var extents: Axes = []
  private(set) var first: Axes = []
  private(set) var second: Axes = []
  /// What the order is taken from.
  private(set) var output: Axes = []
  /// The axis that each was, where it is one alone.
  private(set) var origins: Axes = []

  /// - Parameter fixed: a bit for each axis that must stay alone.
  init(_ extents: Axes, first: Axes, second: Axes, output: Axes, fixed: UInt8 = 0) {
    var order = Axes(repeating: 0, count: extents.count)
    for axis in extents.indices {
      var place = axis
      while place > 0, output[order[place - 1]] < output[axis] {
        order[place] = order[place - 1]
        place -= 1
      }
      order[place] = axis
    }
    var isLastFixed = false
    for axis in order {
      let isFixed = fixed >> axis & 1 == 1
      if extents[axis] == 1, !isFixed { continue }
      if let last = self.extents.indices.last, !isLastFixed, !isFixed,
        self.first[last] == first[axis] * extents[axis], self.second[last] == second[axis] * extents[axis],
        self.output[last] == output[axis] * extents[axis]
      {
        self.extents[last] *= extents[axis]
        self.first[last] = first[axis]
        self.second[last] = second[axis]
        self.output[last] = output[axis]
      } else {
        self.extents.append(extents[axis])
        self.first.append(first[axis])
        self.second.append(second[axis])
        self.output.append(output[axis])
        origins.append(axis)
      }
      isLastFixed = isFixed
    }
    if self.extents.isEmpty {
      self.extents = [1]
      self.first = [1]
      self.second = [1]
      self.output = [1]
      origins = [0]
    }
  }

  /// The innermost axis.
  var last: Int { extents.count - 1 }

  /// How many rows along the innermost axis there are.
  var rows: Int { extents.product / extents[last] }

  /// Goes over the rows along the innermost axis by threads, long ones in parts that several threads share.
  ///
  /// - Parameter body: called with the offsets of a part's first value in the first operand and in the output, and how
  ///   many values it has.
  func forEachPart(threads: Int, _ body: (_ first: Int, _ output: Int, _ count: Int) -> Void) {
    let length = extents[last]
    let partLength = ThreadedWork.valuesPerShare
    let parts = (length + partLength - 1) / partLength
    let items = rows * parts
    let shares = ThreadedWork.shareCount(items: items, values: rows * length, threads: threads)
    ThreadedWork.run(items: items, values: rows * length, shares: shares) { _, items in
      var index = items.lowerBound
      var place = extents.place(index / parts, dropping: 1)
      while index < items.upperBound {
        let part = index % parts
        let count = min(parts - part, items.upperBound - index)
        let start = part * partLength
        body(
          first.offset(of: place) + start * first[last], output.offset(of: place) + start * output[last],
          min(count * partLength, length - start))
        index += count
        extents.advance(&place, dropping: 1)
      }
    }
  }
}

extension Axes {
  /// The place that is the `index`th of these extents without their last `dropped`, whose places are 0.
  func place(_ index: Int, dropping dropped: Int) -> Axes {
    var place = Axes(repeating: 0, count: count)
    var rest = index
    var axis = count - dropped - 1
    while axis >= 0 {
      (rest, place[axis]) = rest.quotientAndRemainder(dividingBy: self[axis])
      axis -= 1
    }
    return place
  }

  /// Goes to the next place of these extents without their last `dropped`.
  func advance(_ place: inout Axes, dropping dropped: Int) {
    var axis = count - dropped - 1
    while axis >= 0 {
      place[axis] += 1
      if place[axis] < self[axis] { return }
      place[axis] = 0
      axis -= 1
    }
  }
}
