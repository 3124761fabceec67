// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CInstanceNorm
import CPUKernels
import Calls
import Tensors

// The functions of instancenorm.h. Nothing here traps: every argument is looked at before it is used.

@c @implementation
public func instnorm_default_options() -> instnorm_options {
  instnorm_options(
    epsilon: 1e-5, activation: INSTNORM_NO_ACTIVATION, negative_slope: 0.01,
    residual_place: INSTNORM_AFTER_ACTIVATION, threads: 0, sharing: INSTNORM_INSTANCE, groups: 1,
    grain: INSTNORM_BY_MAP)
}

@c @implementation
public func instnorm_forward(
  _ planes: UnsafePointer<instnorm_planes>?, _ options: UnsafePointer<instnorm_options>?, _ x: UnsafeRawPointer?,
  _ scale: UnsafeRawPointer?, _ bias: UnsafeRawPointer?, _ residual: UnsafeRawPointer?, _ y: UnsafeMutableRawPointer?,
  _ mean: UnsafeMutablePointer<Double>?, _ invStd: UnsafeMutablePointer<Double>?
) -> instnorm_status {
  status("instnorm_forward") { () throws(CallError) in
    let planes = try Planes(checking: planes)
    let options = try Options(checking: options, for: planes)
    let x = try Argument("x", x, data: planes)
    let y = try Argument("y", y, data: planes)
    let residual = try Argument("residual", residual, data: planes, isOptional: true)
    let (scale, bias) = (
      try Argument("scale", scale, parameters: planes, options.grain),
      try Argument("bias", bias, parameters: planes, options.grain)
    )
    let areTaken = options.sharing != nil
    let mean = try Argument("mean", mean, statistics: planes, isOptional: areTaken)
    let inverses = try Argument("inv_std", invStd, statistics: planes, isOptional: areTaken)
    try y.mayBe(x).mayBe(residual).spares(scale).spares(bias)
    try mean.spares(x).spares(y).spares(residual).spares(scale).spares(bias)
    try inverses.spares(x).spares(y).spares(residual).spares(scale).spares(bias).spares(mean)
    // Planes of nothing have statistics.
    guard planes.valueCount > 0 || planes.count > 0 && (mean.base != nil || inverses.base != nil) else { return }
    var call = NormCall(
      planes: planes, input: x.address, output: y.address, scale: scale.values(options.grain, absent: 1),
      bias: bias.values(options.grain, absent: 0), epsilon: options.epsilon, activation: options.activation,
      residual: residual.base, place: options.place, sharing: options.sharing,
      mean: mean.base?.assumingMemoryBound(to: Double.self), invStd: inverses.base?.assumingMemoryBound(to: Double.self)
    )
    let isAlone = call.sharing?.isOfSinglePlanes(planes) ?? true
    if isAlone || call.mean != nil && call.invStd != nil {
      return try withMemory { () throws(TensorError) in try CPUBackend.shared.run(call, threads: options.threads) }
    }
    // Planes that share leave their statistics somewhere, once where nobody asks.
    call.statisticsAreOfFirst = call.mean == nil && call.invStd == nil
    try withMemory { () throws(TensorError) in
      try withDoubles(2 * planes.count) { (room) throws(TensorError) in
        call.mean = call.mean ?? room
        call.invStd = call.invStd ?? room + planes.count
        try CPUBackend.shared.run(call, threads: options.threads)
      }
    }
  }
}

@c @implementation
public func instnorm_backward(
  _ planes: UnsafePointer<instnorm_planes>?, _ options: UnsafePointer<instnorm_options>?, _ dy: UnsafeRawPointer?,
  _ x: UnsafeRawPointer?, _ scale: UnsafeRawPointer?, _ bias: UnsafeRawPointer?, _ residual: UnsafeRawPointer?,
  _ mean: UnsafePointer<Double>?, _ invStd: UnsafePointer<Double>?, _ dx: UnsafeMutableRawPointer?,
  _ dscale: UnsafeMutableRawPointer?, _ dbias: UnsafeMutableRawPointer?, _ dresidual: UnsafeMutableRawPointer?
) -> instnorm_status {
  status("instnorm_backward") { () throws(CallError) in
    let planes = try Planes(checking: planes)
    let options = try Options(checking: options, for: planes)
    let dy = try Argument("dy", dy, data: planes)
    let x = try Argument("x", x, data: planes)
    let residual = try Argument("residual", residual, data: planes, isOptional: true)
    let (scale, bias) = (
      try Argument("scale", scale, parameters: planes, options.grain),
      try Argument("bias", bias, parameters: planes, options.grain)
    )
    let mean = try Argument("mean", mean, statistics: planes)
    let inverses = try Argument("inv_std", invStd, statistics: planes)
    let dx = try Argument("dx", dx, data: planes, isOptional: true)
    let dscale = try Argument("dscale", dscale, parameters: planes, options.grain)
    let dbias = try Argument("dbias", dbias, parameters: planes, options.grain)
    if options.grain == .element, (dscale.base == nil) != (dbias.base == nil) {
      let missing: StaticString = dscale.base == nil ? "dscale" : "dbias"
      throw .argument(missing, expected: "a pointer, as both come together by element", got: "NULL")
    }
    let dresidual = try Argument("dresidual", dresidual, data: planes, isOptional: true)
    try dx.mayBe(dy).mayBe(x).mayBe(residual)
      .spares(scale).spares(bias).spares(mean).spares(inverses)
    try dresidual.mayBe(dy).mayBe(residual)
      .spares(x).spares(scale).spares(bias).spares(mean).spares(inverses).spares(dx)
    try dscale.mayBe(scale)
      .spares(dy).spares(x).spares(residual).spares(bias).spares(mean).spares(inverses).spares(dx).spares(dresidual)
    try dbias.mayBe(bias)
      .spares(dy).spares(x).spares(residual).spares(scale).spares(mean).spares(inverses).spares(dx).spares(dresidual)
      .spares(dscale)

    // Where the residual comes after the activation, its gradient is dy; where it comes before, it is dy times the
    // activation's slope, which the kernels find on the way to dx.
    let isBefore = options.place == .beforeActivation && options.activation != .none
    if isBefore, dresidual.base != nil, residual.base == nil, planes.valueCount > 0 {
      throw .argument("residual", expected: "a pointer, as it decides dresidual", got: "NULL")
    }
    let isMasked = isBefore && residual.base != nil
    if let dresidual = dresidual.base, !isMasked, dresidual != dy.address {
      dresidual.copyMemory(from: dy.address, byteCount: planes.byteCount)
    }
    let needsPlanes = isMasked && dresidual.base != nil
    guard dx.base != nil || dscale.base != nil || dbias.base != nil || needsPlanes else { return }
    try withMemory { () throws(TensorError) in
      let missing = needsPlanes && dx.base == nil ? planes.byteCount : nil
      let room = if let missing { try MemoryPool.shared.allocate(byteCount: missing) } else { dx.base }
      defer { if let room, let missing { MemoryPool.shared.deallocate(room, byteCount: missing) } }
      try withDoubles(2 * planes.count) { (sums) throws(TensorError) in
        try CPUBackend.shared.run(
          NormGradientCall(
            planes: planes, gradient: dy.address, input: x.address, scale: scale.values(options.grain, absent: 1),
            bias: bias.values(options.grain, absent: 0), activation: options.activation, residual: residual.base,
            place: options.place, sharing: options.sharing,
            mean: UnsafePointer(mean.address.assumingMemoryBound(to: Double.self)),
            invStd: UnsafePointer(inverses.address.assumingMemoryBound(to: Double.self)), sums: sums,
            inputGradient: room, residualGradient: isMasked ? dresidual.base : nil,
            scaleGradient: dscale.base, biasGradient: dbias.base), threads: options.threads)
      }
    }
  }
}

/// Calls `body` with room for numbers: on the stack for few, as taking memory would be much of a small call.
private func withDoubles(
  _ count: Int, _ body: (UnsafeMutablePointer<Double>) throws(TensorError) -> Void
) throws(TensorError) {
  let few = 128
  if count <= few {
    try withUnsafeTemporaryAllocation(of: Double.self, capacity: few) { (room) throws(TensorError) in
      try body(room.baseAddress!)
    }
  } else {
    let byteCount = count * MemoryLayout<Double>.size
    let sums = try MemoryPool.shared.allocate(byteCount: byteCount)
    defer { MemoryPool.shared.deallocate(sums, byteCount: byteCount) }
    try body(sums.assumingMemoryBound(to: Double.self))
  }
}

@c @implementation
public func instnorm_instruction_set() -> UnsafePointer<CChar>? { instructionSet }

/// For good, as its callers keep the pointer.
private nonisolated(unsafe) let instructionSet: UnsafePointer<CChar>? = {
  let name = Array(CPUBackend.shared.instructionSetName.utf8CString)
  let copy = UnsafeMutablePointer<CChar>.allocate(capacity: name.count)
  copy.initialize(from: name, count: name.count)
  return UnsafePointer(copy)
}()

/// Called when the library is loaded: what Swift makes when it is first asked for, and cannot do without, is made then.
@c @implementation
public func instnorm_prepare() {
  _ = instnorm_instruction_set()
  _ = CPUBackend.shared.normKernels
  _ = Workers.shared
  _ = MemoryPool.shared
}

@c @implementation
public func instnorm_trim() { MemoryPool.shared.trim() }
