import Calls
import Tensors

// Sums of a block, in eight lanes whose order is fixed. Value i goes to lane i mod 8, each lane adds up in order
// and the lanes are added in pairs; so a sum has the same bits wherever and however often it is taken.

typealias Lanes = SIMD8<Double>

/// Calls `body` with every eight values; what the last vector lacks is `fill`.
@inline(__always)
func forEachVector(_ base: UnsafePointer<Double>, _ count: Int, fill: Double, _ body: (Lanes) -> Void) {
  let raw = UnsafeRawPointer(base)
  let whole = count & ~7
  var index = 0
  while index < whole {
    body(raw.loadUnaligned(fromByteOffset: index * 8, as: Lanes.self))
    index += 8
  }
  if whole < count { body(tail(base, from: whole, count, fill: fill)) }
}

/// The same over two blocks of equal length at once; what the last vectors lack is 0.
@inline(__always)
func forEachVectorPair(
  _ first: UnsafePointer<Double>, _ second: UnsafePointer<Double>, _ count: Int, _ body: (Lanes, Lanes) -> Void
) {
  let rawFirst = UnsafeRawPointer(first)
  let rawSecond = UnsafeRawPointer(second)
  let whole = count & ~7
  var index = 0
  while index < whole {
    body(
      rawFirst.loadUnaligned(fromByteOffset: index * 8, as: Lanes.self),
      rawSecond.loadUnaligned(fromByteOffset: index * 8, as: Lanes.self))
    index += 8
  }
  if whole < count {
    body(tail(first, from: whole, count, fill: 0), tail(second, from: whole, count, fill: 0))
  }
}

private func tail(_ base: UnsafePointer<Double>, from start: Int, _ count: Int, fill: Double) -> Lanes {
  var vector = Lanes(repeating: fill)
  for index in start..<count { vector[index - start] = base[index] }
  return vector
}

/// The sum of a block's values.
@inline(__always)
func laneSum(_ base: UnsafePointer<Double>, _ count: Int) -> Double {
  var sums = Lanes.zero
  forEachVector(base, count, fill: 0) { sums += $0 }
  return laneTotal(sums)
}

@inline(__always)
func laneTotal(_ lanes: Lanes) -> Double {
  let four = lanes.lowHalf + lanes.highHalf
  let two = four.lowHalf + four.highHalf
  return two.x + two.y
}
