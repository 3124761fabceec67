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

  // MARK: Normalisation

  /// Instance normalisation and what follows it: n = scale (x - mean) invStd + bias, mean and invStd of each plane
  /// (t, i) alone, and y from n by the epilogue.
  ///
  /// - Parameters:
  ///   - input: x, (N, C, spatial...), any dtype and layout.
  ///   - scale: (C), in the input dtype's ``DType/parameterDType``; nil for 1.
  ///   - bias: like the scale; nil for 0.
  ///   - epsilon: added to the biased variance under the root; 0 or more.
  ///   - epilogue: activation and residual; the residual shaped, typed and laid out as the input.
  ///   - output: y, shaped, typed and laid out as the input. May have the input's own storage.
  ///   - mean: receives the means, (N, C), float64.
  ///   - invStd: receives 1 / sqrt(variance + epsilon), (N, C), float64; 0 where that is a division by zero.
  func instanceNorm(
    _ input: Tensor, scale: Tensor?, bias: Tensor?, epsilon: Double, epilogue: Epilogue,
    into output: inout Tensor, mean: inout Tensor, invStd: inout Tensor
  ) throws

  /// The two sums over each plane that the gradients of instance normalisation are made of, with dn the gradient by n:
  /// dy times the activation's slope.
  ///
  ///     sums[0] = sum of dn           sums[1] = sum of dn xhat               with xhat = (x - mean) invStd
  ///
  /// - Parameters:
  ///   - gradient: dy, shaped, typed and laid out as the input.
  ///   - input: x.
  ///   - mean: as ``instanceNorm(_:scale:bias:epsilon:epilogue:into:mean:invStd:)`` gave it.
  ///   - invStd: likewise.
  ///   - scale: as it was forward.
  ///   - bias: likewise.
  ///   - epilogue: likewise.
  ///   - sums: receives the sums, (2, N, C), float64.
  func instanceNormSums(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, sums: inout Tensor
  ) throws

  /// The gradient of instance normalisation by its input, and the sums of
  /// ``instanceNormSums(_:input:mean:invStd:scale:bias:epilogue:sums:)`` on the way:
  ///
  ///     dx = scale invStd (dn - sums[0] / (H W) - xhat sums[1] / (H W))
  ///
  /// - Parameters:
  ///   - gradient: dy, shaped, typed and laid out as the input.
  ///   - input: x.
  ///   - mean: as ``instanceNorm(_:scale:bias:epsilon:epilogue:into:mean:invStd:)`` gave it.
  ///   - invStd: likewise.
  ///   - scale: as it was forward.
  ///   - bias: likewise.
  ///   - epilogue: likewise.
  ///   - sums: receives the sums, (2, N, C), float64.
  ///   - inputGradient: receives dx, shaped, typed and laid out as the input.
  ///   - residualGradient: receives dn, likewise, unless it is nil: the gradient by a residual that is added before
  ///     the activation. (By one that is added after it, it is dy.)
  func instanceNormGradient(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, sums: inout Tensor, into inputGradient: inout Tensor, residualGradient: inout Tensor?
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
}

/// Operations on pairs of values.
public enum Elementwise: Sendable {
  case add
  case subtract
  case multiply
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
}
