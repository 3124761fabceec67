import Calls
import Tensors

/// Normalisation and what follows it in the same pass over memory:
///
///     xhat = (x - mean) invStd          n = scale xhat + bias
///     y = activation(n) + residual      or activation(n + residual)
///
/// with the mean and the biased variance of all planes that share their moments with a value's own, or with statistics
/// that are given.
package struct Normalize: Operation {
  /// x, (N, C, spatial...), any dtype and layout.
  package var input: Tensor
  /// (C), (N, C) or (C, spatial...), of the input dtype's `parameterDType`; nil for 1.
  package var scale: Tensor?
  /// Like the scale; nil for 0.
  package var bias: Tensor?
  /// Of the input's form.
  package var residual: Tensor?
  package var attributes: Attributes
  /// The means and 1 / sqrt(variance + epsilon) that it normalises by, float64: given, (N, C), or, where moments are
  /// shared, what ``run(into:)`` leaves, of a batch perhaps (1, C) for all pictures. Memory that is given then is used if
  /// nobody else has it.
  package var statistics: Statistics?
  /// Whether the statistics will be asked for: by a gradient, or by a module that shows them.
  package var keepsStatistics = true

  package struct Statistics: Sendable {
    package var mean: Tensor
    package var invStd: Tensor
    /// N, also where there are those of one picture for all.
    package fileprivate(set) var images: Int

    /// The means, (N, C).
    package var meanOfEach: Tensor { get throws { try mean.broadcast(to: [images, mean.shape[1]]) } }
    /// 1 / sqrt(variance + epsilon), (N, C).
    package var invStdOfEach: Tensor { get throws { try invStd.broadcast(to: [images, invStd.shape[1]]) } }

    /// Room for those of some planes.
    package init(uninitialized images: Int, _ maps: Int, on device: Device) throws {
      self.images = images
      mean = try Tensor(uninitialized: [images, maps], dtype: .float64, on: device)
      invStd = try Tensor(uninitialized: [images, maps], dtype: .float64, on: device)
    }

    fileprivate mutating func isUsable(for input: Tensor, images: Int) -> Bool {
      mean.isUnique() && invStd.isUnique() && mean.shape[0] == images && mean.shape[1] == input.shape[1]
        && mean.storage.backendIdentity == input.storage.backendIdentity
    }
  }

  /// All but the operands.
  package struct Attributes: Hashable, Sendable {
    /// Which planes share their moments; nil for statistics that are given.
    package var sharing: MomentSharing?
    package var epsilon: Double
    package var activation: Activation
    package var place: ResidualPlace

    package init(
      _ sharing: MomentSharing?, epsilon: Double = 1e-5, activation: Activation = .none,
      place: ResidualPlace = .afterActivation
    ) {
      self.sharing = sharing
      self.epsilon = epsilon
      self.activation = activation
      self.place = place
    }
  }

  package init(
    _ input: Tensor, scale: Tensor? = nil, bias: Tensor? = nil, residual: Tensor? = nil, _ attributes: Attributes,
    statistics: Statistics? = nil
  ) {
    self.input = input
    self.scale = scale
    self.bias = bias
    self.residual = residual
    self.attributes = attributes
    self.statistics = statistics
  }

  package func form() throws -> TensorForm {
    try Self.check(input, scale, bias, residual)
    return TensorForm(like: input)
  }

  package mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    try body(&input)
    if scale != nil { try body(&scale!) }
    if bias != nil { try body(&bias!) }
    if residual != nil { try body(&residual!) }
  }

  package mutating func run(into result: inout Tensor) throws {
    try Self.run(input, scale, bias, residual, attributes, &statistics, keepsStatistics, into: result)
  }

  /// Runs the operation, records it where that is called for, and keeps the statistics in `self`.
  package mutating func normalized() throws -> Tensor { try compute() }

  /// The same without an operation being made and recorded, of operands that are known to fit each other: this is the
  /// smallest call there is.
  package static func applyChecked(
    _ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, _ attributes: Attributes, _ statistics: inout Statistics?,
    keepsStatistics: Bool
  ) throws -> Tensor {
    let result = try Tensor(uninitializedLike: input)
    try run(input, scale, bias, nil, attributes, &statistics, keepsStatistics, into: result)
    return result
  }

  private static func run(
    _ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, _ residual: Tensor?, _ attributes: Attributes,
    _ statistics: inout Statistics?, _ keepsStatistics: Bool, into result: Tensor
  ) throws {
    // Planes of nothing may be more than can be counted.
    if input.count == 0, input.shape[0].multipliedReportingOverflow(by: input.shape[1]).overflow {
      throw TensorError.invalidShape(input.shape, reason: "the number of planes overflows")
    }
    var call = NormCall(
      planes: Planes(input), input: input.storage.address, output: result.storage.address,
      scale: ParameterValues(scale, absent: 1), bias: ParameterValues(bias, absent: 0), epsilon: attributes.epsilon,
      activation: attributes.activation, residual: residual?.storage.address, place: attributes.place,
      sharing: attributes.sharing)
    if attributes.sharing != nil {
      call.statisticsAreOfFirst =
        input.storage.backend is CPUBackend && call.planes.areOnePicture(call.sharing, call.scale, call.bias)
      let images = call.statisticsAreOfFirst ? 1 : input.shape[0]
      if statistics?.isUsable(for: input, images: images) != true {
        statistics =
          needsStatistics(input, attributes, keeps: keepsStatistics)
          ? try Statistics(uninitialized: images, input.shape[1], on: input.device) : nil
      }
      statistics?.images = input.shape[0]
    }
    (call.mean, call.invStd) = (statistics?.mean.doubles, statistics?.invStd.doubles)
    // The record has addresses alone.
    defer { withExtendedLifetime((input, scale, bias, residual, result)) {} }
    try call.run(on: input.storage.backend)
  }

  /// Refuses operands that do not fit each other.
  private static func check(_ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, _ residual: Tensor?) throws {
    guard (3...5).contains(input.shape.rank) else {
      throw TensorError.invalidShape(input.shape, reason: "normalisation is of (N, C, spatial...)")
    }
    if let residual { try input.requireSame(residual, "normalising, residual") }
    if let scale { try check(scale, "scale", for: input) }
    if let bias { try check(bias, "bias", for: input) }
  }

  private static func check(_ tensor: Tensor, _ name: StaticString, for input: Tensor) throws {
    // Without making shapes.
    let (own, shape) = (tensor.shape, input.shape)
    let fits =
      switch own.rank {
      case 1: own[0] == shape[1]
      case 2: own[0] == shape[0] && own[1] == shape[1]
      default: own.rank == shape.rank - 1 && own.dimensions.elementsEqual(shape.dimensions.dropFirst())
      }
    guard fits else {
      let expected: Shape =
        switch own.rank {
        case 1: [shape[1]]
        case 2: [shape[0], shape[1]]
        default: Shape(shape.dropFirst())
        }
      throw TensorError.shapeMismatch(operation: "normalising, \(name)", expected: expected, got: own)
    }
    guard tensor.dtype == input.dtype.parameterDType else {
      throw TensorError.dtypeMismatch(
        operation: "normalising, \(name)", expected: input.dtype.parameterDType, got: tensor.dtype)
    }
    guard tensor.layout == .nchw else {
      throw TensorError.layoutMismatch(operation: "normalising, \(name)", expected: .nchw, got: tensor.layout)
    }
    guard tensor.isBeside(input) else {
      throw DeviceError.mismatch(operation: "normalising, \(name)", expected: input.device, got: tensor.device)
    }
  }

  /// Whether there has to be memory for statistics.
  package var needsStatistics: Bool { Self.needsStatistics(input, attributes, keeps: keepsStatistics) }

  /// The processor normalises planes that share with no other without; a GPU does only where a block of threads holds a
  /// plane.
  private static func needsStatistics(_ input: Tensor, _ attributes: Attributes, keeps: Bool) -> Bool {
    keeps || !(input.storage.backend is CPUBackend) || attributes.sharing?.isOfSinglePlanes(Planes(input)) != true
  }

  package func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    if Recording.isActive(gradient, input, scale, bias, residual) {
      try NormalizeGradient(of: self, gradient).addRecorded(to: &sums)
    } else {
      try NormalizeGradient(of: self, gradient).add(to: &sums)
    }
  }
}

extension Tensor {
  /// Where a float64 tensor's values are.
  var doubles: UnsafeMutablePointer<Double> { storage.address.assumingMemoryBound(to: Double.self) }
}
