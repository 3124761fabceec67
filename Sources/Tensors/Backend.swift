/// The seam between the modules and the hardware: memory, and the few operations that the layer and its training are
/// made of.
///
/// A module never asks which backend it is on. These operations check nothing and are for modules to call: the
/// callers (``Tensor``'s methods and the modules) have checked shapes, dtypes and devices, so that every backend can
/// rely on what each operation says of its arguments. Outputs are the sole reference to their storage, but where an
/// operation says otherwise.
public protocol Backend: AnyObject, Sendable {
  // MARK: What it is

  /// How the device is called on a command line: `cpu`, `cuda:0`.
  var name: String { get }
  /// What the device is, for people.
  var summary: String { get }
  var isGPU: Bool { get }
  /// Bytes of memory that it has; where that is shared with others, what it may use now.
  var memory: Int { get }
  /// The types that it computes in. Tensors may be of any type, and be converted.
  var supportedTypes: [DType] { get }
  /// Waits until all that was asked for is done, on devices where calls only queue it.
  ///
  /// - Throws: ``DeviceError/failed(device:call:reason:)`` when something of it failed.
  func synchronize() throws

  // MARK: Memory

  /// Uninitialised memory, aligned to 64 bytes.
  ///
  /// - Throws: ``TensorError/outOfMemory(byteCount:)``.
  func allocate(byteCount: Int) throws -> UnsafeMutableRawPointer
  /// Takes back what ``allocate(byteCount:)`` gave for the same `byteCount`.
  func deallocate(_ address: UnsafeMutableRawPointer, byteCount: Int)
  /// Whether ``Storage/address`` may be read and written by the processor directly.
  var isHostMemory: Bool { get }
  /// Copies `source.count` bytes from the host into this backend's memory.
  func copy(from source: UnsafeRawBufferPointer, to destination: Storage) throws
  /// Copies `destination.count` bytes from this backend's memory to the host.
  func copy(from source: Storage, to destination: UnsafeMutableRawBufferPointer) throws
  /// Copies the whole of one storage to another of the same size, both this backend's.
  func copy(from source: Storage, to destination: Storage) throws

  // MARK: Elementwise

  /// Sets every value.
  func fill(_ tensor: inout Tensor, with value: Double) throws
  /// Copies values between tensors of one shape, from any dtype and layout to any other.
  func convert(_ source: Tensor, into destination: inout Tensor) throws
  /// `output = operation(first, second)`, value by value; all of one shape, dtype and layout.
  func apply(_ operation: Elementwise, _ first: Tensor, _ second: Tensor, into output: inout Tensor) throws
  /// `target = alpha x + beta target`; both of one shape, dtype and layout. With `beta` 0 what was in the target is
  /// not read.
  func combine(_ alpha: Double, _ x: Tensor, _ beta: Double, _ target: inout Tensor) throws
  /// One step of Adam on a parameter and its two moving averages, all of one shape, dtype and layout.
  func adamStep(
    _ step: AdamStep, gradient: Tensor, parameter: inout Tensor, firstMoment: inout Tensor, secondMoment: inout Tensor
  ) throws
  /// The sum of all values, in float64.
  func sum(_ tensor: Tensor) throws -> Double

  /// `output = function(input)`, value by value; both of one shape, dtype and layout.
  func apply(_ function: Pointwise, _ input: Tensor, into output: inout Tensor) throws
  /// `inputGradient = gradient function'(input)`, value by value; all of one shape, dtype and layout, `output` what
  /// ``apply(_:_:into:)`` made of the input.
  func applyGradient(
    _ function: Pointwise, _ gradient: Tensor, input: Tensor, output: Tensor, into inputGradient: inout Tensor) throws
  /// `target = alpha first second + beta target`, products of matrices (rank 2) of any dtypes, added in float64. With
  /// `beta` 0 what was in the target is not read.
  ///
  /// For small matrices. There is a default, which does it on the host.
  func multiply(
    _ alpha: Double, _ first: Matrix, _ second: Matrix, _ beta: Double, _ target: inout Tensor) throws

  // MARK: Normalisation

  /// Normalisation by the input's own statistics, and what follows it: n = scale (x - mean) invStd + bias, mean and
  /// invStd of all planes that share their moments with a value's own, and y from n by the epilogue.
  ///
  /// - Parameters:
  ///   - input: x, (N, C, spatial...), any dtype and layout.
  ///   - sharing: which planes (t, i) share their moments.
  ///   - scale: (C), (N, C) or (C, spatial...), in the input dtype's ``DType/parameterDType``; nil for 1.
  ///   - bias: like the scale; nil for 0.
  ///   - epsilon: added to the biased variance under the root; 0 or more.
  ///   - epilogue: activation and residual; the residual shaped, typed and laid out as the input.
  ///   - output: y, shaped, typed and laid out as the input. May have the input's own storage.
  ///   - mean: receives the means, (N, C), float64; planes that share have the same.
  ///   - invStd: receives 1 / sqrt(variance + epsilon), (N, C), float64; 0 where that is a division by zero.
  func normalize(
    _ input: Tensor, over sharing: MomentSharing, scale: Tensor?, bias: Tensor?, epsilon: Double, epilogue: Epilogue,
    into output: inout Tensor, mean: inout Tensor, invStd: inout Tensor
  ) throws

  /// The same by statistics that are given, as those of ``recall(mean:variance:epsilon:intoMean:invStd:)``.
  ///
  /// - Parameters:
  ///   - input: x, (N, C, spatial...), any dtype and layout.
  ///   - mean: (N, C), float64.
  ///   - invStd: likewise.
  ///   - scale: (C), (N, C) or (C, spatial...), in the input dtype's ``DType/parameterDType``; nil for 1.
  ///   - bias: like the scale; nil for 0.
  ///   - epilogue: activation and residual; the residual shaped, typed and laid out as the input.
  ///   - output: y, shaped, typed and laid out as the input. May have the input's own storage.
  func normalize(
    _ input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?, epilogue: Epilogue,
    into output: inout Tensor
  ) throws

  /// The statistics that ``normalize(_:over:scale:bias:epsilon:epilogue:into:mean:invStd:)`` would normalise by.
  ///
  /// - Parameters:
  ///   - input: x, (N, C, spatial...), any dtype and layout.
  ///   - sharing: which planes (t, i) share their moments.
  ///   - epsilon: added to the biased variance under the root; 0 or more.
  ///   - mean: receives the means, (N, C), float64.
  ///   - invStd: receives 1 / sqrt(variance + epsilon), likewise.
  func statistics(
    of input: Tensor, over sharing: MomentSharing, epsilon: Double, mean: inout Tensor, invStd: inout Tensor
  ) throws

  /// The two sums over each plane that gradients are made of, with dn the gradient by n: dy times the activation's
  /// slope.
  ///
  ///     sums[0] = sum of dn           sums[1] = sum of dn xhat               with xhat = (x - mean) invStd
  ///
  /// Where the scale is (C, spatial...), of (scale dn) instead of dn.
  ///
  /// - Parameters:
  ///   - gradient: dy, shaped, typed and laid out as the input.
  ///   - input: x.
  ///   - mean: as it was forward, (N, C), float64.
  ///   - invStd: likewise.
  ///   - scale: as it was forward.
  ///   - bias: likewise.
  ///   - epilogue: likewise.
  ///   - sums: receives the sums, (2, N, C), float64.
  func gradientSums(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, sums: inout Tensor
  ) throws

  /// The gradient of normalisation by its input, and the sums of
  /// ``gradientSums(_:input:mean:invStd:scale:bias:epilogue:sums:)`` on the way:
  ///
  ///     dx = invStd (scale dn - mean of (scale dn) - xhat mean of (scale dn xhat))
  ///
  /// with means over all planes that share their moments. Where the statistics were given, they do not depend on x, and
  /// dx = invStd scale dn.
  ///
  /// - Parameters:
  ///   - gradient: dy, shaped, typed and laid out as the input.
  ///   - input: x.
  ///   - sharing: as it was forward; nil where the statistics were given.
  ///   - mean: as it was forward, (N, C), float64.
  ///   - invStd: likewise.
  ///   - scale: as it was forward.
  ///   - bias: likewise.
  ///   - epilogue: likewise.
  ///   - sums: receives the sums, (2, N, C), float64.
  ///   - inputGradient: receives dx, shaped, typed and laid out as the input.
  ///   - residualGradient: receives dn, likewise, unless it is nil: the gradient by a residual that is added before
  ///     the activation. (By one that is added after it, it is dy.)
  func normalizeGradient(
    _ gradient: Tensor, input: Tensor, over sharing: MomentSharing?, mean: Tensor, invStd: Tensor, scale: Tensor?,
    bias: Tensor?, epilogue: Epilogue, sums: inout Tensor, into inputGradient: inout Tensor,
    residualGradient: inout Tensor?
  ) throws

  /// `target = alpha (rows of sums added over N) + beta target`: a parameter's gradient from its planes' sums.
  ///
  /// - Parameters:
  ///   - alpha: what the new gradient is multiplied by.
  ///   - sums: (2, N, C), float64.
  ///   - row: 0 for the bias, 1 for the scale.
  ///   - beta: what the old gradient is multiplied by. With 0 it is not read.
  ///   - target: (C), float32 or float64.
  func accumulate(_ alpha: Double, _ sums: Tensor, row: Int, _ beta: Double, _ target: inout Tensor) throws

  /// `target = alpha (terms added over N) + beta target`: the gradients of parameters that have a value for each place
  /// of a picture. The terms are dn xhat for the scale, dn for the bias.
  ///
  /// - Parameters:
  ///   - alpha: what the new gradients are multiplied by.
  ///   - gradient: dy, shaped, typed and laid out as the input.
  ///   - input: x.
  ///   - mean: as it was forward, (N, C), float64.
  ///   - invStd: likewise.
  ///   - scale: as it was forward.
  ///   - bias: likewise.
  ///   - epilogue: likewise.
  ///   - beta: what the old gradients are multiplied by. With 0 they are not read.
  ///   - scaleGradient: (C, spatial...), float32 or float64.
  ///   - biasGradient: likewise.
  func accumulateByElement(
    _ alpha: Double, _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, _ beta: Double, scaleGradient: inout Tensor, biasGradient: inout Tensor
  ) throws

  // MARK: Running statistics

  /// Moves running statistics towards a call's: `running = (1 - momentum) running + momentum new`, new being the mean
  /// over the pictures of their means and of their unbiased variances. A map for which one of the two is not finite
  /// keeps what it has.
  ///
  /// There is a default, which does it on the host.
  ///
  /// - Parameters:
  ///   - mean: of the call, (N, C), float64.
  ///   - invStd: likewise.
  ///   - epsilon: what the inverse deviations were taken with.
  ///   - count: how many values each mean is of, 2 or more.
  ///   - momentum: from 0 to 1.
  ///   - runningMean: (C), float64.
  ///   - runningVariance: likewise.
  func track(
    mean: Tensor, invStd: Tensor, epsilon: Double, count: Int, momentum: Double, runningMean: inout Tensor,
    runningVariance: inout Tensor
  ) throws

  /// Running statistics as
  /// ``normalize(_:mean:invStd:scale:bias:epilogue:into:)`` takes them: the same for each picture.
  ///
  /// There is a default, which does it on the host.
  ///
  /// - Parameters:
  ///   - mean: running, (C), float64.
  ///   - variance: likewise.
  ///   - epsilon: added to the variance under the root.
  ///   - planeMean: receives the means, (N, C), float64.
  ///   - invStd: receives 1 / sqrt(variance + epsilon), likewise; 0 where that is a division by zero.
  func recall(
    mean: Tensor, variance: Tensor, epsilon: Double, intoMean planeMean: inout Tensor, invStd: inout Tensor
  ) throws
}

/// Operations on pairs of values.
public enum Elementwise: Sendable {
  case add
  case subtract
  case multiply
}

/// Functions of one value.
public enum Pointwise: Hashable, Sendable {
  /// max(x, 0). NaN stays NaN, and the slope at 0 is 0.
  case relu
  /// x above 0, `slope` x below and at 0.
  case leakyReLU(slope: Double)
  case tanh
}

/// A factor of a product of matrices.
public struct Matrix: Sendable {
  /// Of rank 2, or 3 for several matrices.
  public var tensor: Tensor
  /// Which of several matrices it is.
  public var slice: Int
  /// Whether its rows are meant as columns.
  public var isTransposed: Bool

  public init(_ tensor: Tensor, slice: Int = 0, isTransposed: Bool = false) {
    self.tensor = tensor
    self.slice = slice
    self.isTransposed = isTransposed
  }
}

/// The numbers of one step of Adam (Kingma and Ba, 2015, algorithm 1).
public struct AdamStep: Sendable {
  public var learnRate: Double
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  /// t: 1 for the first step.
  public var number: Int

  public init(learnRate: Double, beta1: Double, beta2: Double, epsilon: Double, number: Int) {
    self.learnRate = learnRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.number = number
  }

  /// 1 - beta1^t, by which the first moment is divided, since it began at 0.
  package var correction1: Double { 1 - Self.power(beta1, number) }
  /// 1 - beta2^t likewise.
  package var correction2: Double { 1 - Self.power(beta2, number) }

  /// base^exponent by squaring: the same bits on every platform, which `pow` does not promise.
  private static func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= square }
      square *= square
      rest >>= 1
    }
    return result
  }
}
