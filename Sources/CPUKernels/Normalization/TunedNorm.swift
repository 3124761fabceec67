import CNormKernels
import Calls
import Tensors

// Instance normalisation on the kernels. They sum in float32 within blocks and normalise in float32, which is exact
// enough as long as values stay far from the ends of float32's range and sums are of deviations from near the mean.
// Planes for which that does not hold are found by their moments, and go the plain way.

/// Sums of x - shift and of its square over a plane.
struct ShiftedSums {
  var shift: Float
  var sum = 0.0
  var square = 0.0

  mutating func add(_ moments: norm_moments) {
    sum += moments.sum
    square += moments.square
  }

  /// Whether the shift was so far from the mean that the variance may have lost digits: more than 3/4 of a deviation.
  /// Then the mean found is a shift that is near enough.
  ///
  /// Values whose float32 sums all round the same way lose up to 2.7e-7 of each sum. At a distance of t deviations that
  /// is up to (1 + 3 t^2) / 2 as much of the deviation and t as much of the mean, which has to fit into 1e-6 with the
  /// rounding of the result.
  func isFarOff(_ size: PlaneSize) -> Bool {
    let distance = sum * size.inverse
    return distance * distance * 25 > square * size.inverse * 9
  }

  func mean(_ size: PlaneSize) -> Double { Double(shift) + sum * size.inverse }

  func variance(_ size: PlaneSize) -> Double {
    let distance = sum * size.inverse
    let variance = square * size.inverse - distance * distance
    // Rounding may leave a hair below zero. Written so that NaN passes.
    return variance < 0 ? 0 : variance
  }

  /// 1 / sqrt(variance + epsilon); 0 where that is a division by zero.
  func invStd(_ size: PlaneSize, epsilon: Double) -> Double {
    let spread = variance(size) + epsilon
    return spread == 0 ? 0 : 1 / spread.squareRoot()
  }
}

extension Moments {
  init(_ sums: ShiftedSums, _ size: PlaneSize, count: Int) {
    self.init(
      count: Double(count), mean: sums.mean(size), squaredDeviations: sums.variance(size) * Double(count))
  }
}

/// H W, and what sums over planes are multiplied by for means.
struct PlaneSize {
  let inverse: Double

  init(_ size: Int) { inverse = 1 / Double(size) }
}

/// How a plane is normalised in float32: n = (x - shift) gain + offset.
struct FloatAffine {
  var shift: Float
  var gain: Float
  var offset: Float

  /// Nil for what only the plain way does exactly.
  @inline(__always)
  init?(mean: Double, invStd: Double, scale: Double, bias: Double) {
    shift = Float(mean)
    let exactGain = scale * invStd
    gain = Float(exactGain)
    // What the mean loses in float32 is made up for here.
    offset = Float(bias - (mean - Double(shift)) * exactGain)
    guard ordinary.contains(invStd), scale == 0 || ordinary.contains(exactGain.magnitude), offset.isFinite else {
      return nil
    }
  }

  /// Of a plane of a call, by some statistics.
  @inline(__always)
  init?(_ call: NormCall, _ plane: Int, mean: Double, invStd: Double) {
    let map = plane % call.planes.maps
    self.init(
      mean: mean, invStd: invStd, scale: call.scale.value(plane, map: map), bias: call.bias.value(plane, map: map))
  }

  init() {
    shift = 0
    gain = 0
    offset = 0
  }
}

/// xhat = (x - shift) invStd + centre and dx = (dn - mean) gain + xhat slope + offset, in float32.
struct FloatSlope {
  var invStd: Float
  var centre: Float
  var mean: Float = 0
  var slope: Float = 0
  var offset: Float = 0

  init(mean: Double, shift: Float, invStd: Double) {
    self.invStd = Float(invStd)
    centre = Float((Double(shift) - mean) * invStd)
  }
}

/// Magnitudes far enough from the ends of float32's range for products of two.
let ordinary = 1e-15...1e15

/// What all calls on kernels have in common.
struct TunedForm {
  let kernels: NormKernels
  let planes: Planes
  var form: norm_form

  /// - Parameter streamed: from how many bytes on the output is written past the caches.
  init?(_ kernels: NormKernels?, _ call: NormCall, streamed: Int) {
    guard call.scale.isForKernels, call.bias.isForKernels else { return nil }
    self.init(
      kernels, call.planes, activation: call.activation, residual: call.residual != nil, place: call.place,
      streamed: call.isInPlace ? .max : streamed)
  }

  init?(_ kernels: NormKernels?, _ call: NormGradientCall, streamed: Int) {
    guard call.scale.isForKernels, call.bias.isForKernels else { return nil }
    self.init(
      kernels, call.planes, activation: call.activation, residual: call.residual != nil, place: call.place,
      streamed: call.isInPlace ? .max : streamed)
  }

  /// Of values with parameters each, which are never written past the caches.
  init?(_ kernels: NormKernels?, elementsOf call: NormCall) {
    self.init(
      kernels, call.planes, activation: call.activation, residual: call.residual != nil, place: call.place,
      streamed: .max)
  }

  init?(_ kernels: NormKernels?, elementsOf call: NormGradientCall) {
    self.init(
      kernels, call.planes, activation: call.activation, residual: call.residual != nil, place: call.place,
      streamed: .max)
  }

  /// - Parameter streamed: from how many bytes on the output is written past the caches: not where its lines are in
  ///   cache because they are the input's.
  private init?(
    _ kernels: NormKernels?, _ planes: Planes, activation: Activation, residual: Bool, place: ResidualPlace,
    streamed: Int
  ) {
    guard let kernels, let type = planes.dtype.kernelType, planes.size > 0 else { return nil }
    self.kernels = kernels
    self.planes = planes
    form = norm_form(
      type: type,
      activation: activation == .none ? .none : activation.negativeSlope == 0 ? .relu : .leaky,
      residual: !residual ? .none : place == .beforeActivation ? .before : .after,
      slope: Float(activation.negativeSlope), stream: planes.valueCount * planes.dtype.byteCount >= streamed)
  }

  var valueBytes: Int { planes.dtype.byteCount }
}

extension ParameterValues {
  /// Whether it is float32, and one for all values of a plane.
  fileprivate var isForKernels: Bool { !isByElement && !(isDouble && base != nil) }
}

// MARK: - Pieces of a plane

/// A plane is summed in pieces that depend on its size alone, so that threads can share a plane, or the pixels of a
/// picture, and the sums be the same as one thread's.
struct Segments {
  let size: Int
  let length: Int
  let count: Int

  /// - Parameters:
  ///   - block: what the kernels add up in float32; a segment is whole blocks.
  ///   - least: the shortest that is worth a thread's while.
  init(of size: Int, block: Int, least: Int) {
    self.size = size
    let most = 32
    let shortest = (size + most - 1) / most
    length = max(least, (shortest + block - 1) / block * block)
    count = (size + length - 1) / length
  }

  static func ofPlane(_ size: Int) -> Segments {
    Segments(of: size, block: Int(norm_plane_block), least: 16 * Int(norm_plane_block))
  }

  static func ofPixels(_ size: Int) -> Segments {
    Segments(of: size, block: Int(norm_pixel_block), least: 2 * Int(norm_pixel_block))
  }

  /// How threads share some planes: so many planes at a time, each by so many threads. One of the two is 1.
  func split(_ planes: Int, of size: Int, threads: Int) -> (planes: Int, shares: Int) {
    let shares = ThreadedWork.shareCount(items: planes * count, values: planes * size, threads: threads)
    let isEven = planes % shares == 0 || planes >= 8 * shares
    return isEven || count == 1 ? (min(shares, planes), 1) : (1, min(shares, count))
  }

  subscript(index: Int) -> Range<Int> { index * length..<min((index + 1) * length, size) }

  /// The values of several segments.
  func range(_ indices: Range<Int>) -> Range<Int> {
    min(indices.lowerBound * length, size)..<min(indices.upperBound * length, size)
  }
}

/// The mean of some values of a plane: a shift that is near the mean (of noise, 29 times in 30 near enough, and for
/// larger planes 299 in 300), and exactly the value of a constant plane.
@inline(__always)
func shiftSample(_ dtype: DType, _ base: UnsafeRawPointer, size: Int) -> Float {
  @inline(__always) func sample<S: Scalar>(_ type: S.Type) -> Float {
    let values = base.assumingMemoryBound(to: S.self)
    @inline(__always) func sumOfFour(_ first: Int, of count: Int) -> Double {
      let low = values[size * first / count].double + values[size * (first + 1) / count].double
      return low + (values[size * (first + 2) / count].double + values[size * (first + 3) / count].double)
    }
    if size < 4096 { return Float((sumOfFour(0, of: 8) + sumOfFour(4, of: 8)) / 8) }
    let low = sumOfFour(0, of: 16) + sumOfFour(4, of: 16)
    return Float((low + (sumOfFour(8, of: 16) + sumOfFour(12, of: 16))) / 16)
  }
  switch dtype {
  case .float16: return sample(Float16.self)
  case .bfloat16: return sample(BFloat16.self)
  case .float32: return sample(Float.self)
  case .float64: return sample(Double.self)
  }
}
