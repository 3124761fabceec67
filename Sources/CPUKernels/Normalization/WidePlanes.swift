import Calls
import Tensors

/// Planes of a picture that go the plain way, set aside until the kernels are through with the rest.
struct WidePlanes: ~Copyable {
  private let planes: Planes
  private let count: Int
  /// Room for blocks, then the planes' numbers; nil for no planes.
  private let desk: Scratch?
  /// A share for each plane.
  private let results: Scratch?
  private let block: UnsafeMutablePointer<Double>!
  private let numbers: UnsafeMutablePointer<Int>!
  private let resultAddress: Scratch.Address!

  /// Those of a picture's maps that are wide, or none.
  init(
    of image: Int, _ planes: Planes, none: Bool = false, where isWide: (_ map: Int) -> Bool
  ) throws(TensorError) {
    self.planes = planes
    var count = 0
    if !none {
      for map in 0..<planes.maps where isWide(map) { count += 1 }
    }
    self.count = count
    if count == 0 {
      desk = nil
      results = nil
      block = nil
      numbers = nil
      resultAddress = nil
    } else {
      // A number is as large as a value.
      let roomLength = PlainNormGradient.scratch(width: 1, size: planes.size)
      let desk = try Scratch(shares: 1, doublesPerShare: roomLength + count)
      let results = try Scratch(shares: count, bytesPerShare: planes.size * planes.dtype.byteCount)
      block = desk.address.doubles(share: 0)
      numbers = UnsafeMutableRawPointer(block + roomLength).assumingMemoryBound(to: Int.self)
      resultAddress = results.address
      self.desk = consume desk
      self.results = consume results
      var next = 0
      for map in 0..<planes.maps where isWide(map) {
        numbers[next] = image * planes.maps + map
        next += 1
      }
    }
  }

  /// Calls `body` for each plane with where its result goes and room for blocks.
  func compute(_ body: (_ plane: Int, _ target: Run, _ block: UnsafeMutablePointer<Double>) -> Void) {
    for index in 0..<count { body(numbers[index], run(index), block) }
  }

  /// Copies the results to their places.
  func put(into output: UnsafeMutableRawPointer) {
    for index in 0..<count {
      let target = Run(output, planes.dtype, planes.band(ofPlane: numbers[index]), stride: planes.stride)
      for start in stride(from: 0, to: planes.size, by: blockLength) {
        let length = min(blockLength, planes.size - start)
        run(index).load(start, length, into: block)
        target.store(start, length, from: block)
      }
    }
  }

  /// Where a plane's result is; nil for a plane that is not set aside.
  func run(ofPlane plane: Int) -> Run? {
    for index in 0..<count where numbers[index] == plane { return run(index) }
    return nil
  }

  private func run(_ index: Int) -> Run {
    Run(contiguous: resultAddress.raw(share: index), planes.dtype)
  }
}
