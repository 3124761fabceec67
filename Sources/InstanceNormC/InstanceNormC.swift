// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CInstanceNorm
import Tensors

// The functions of instancenorm.h. Nothing here traps: every argument is looked at before it is used.

@c @implementation
public func instnorm_default_options() -> instnorm_options {
  instnorm_options(
    epsilon: 1e-5, activation: INSTNORM_NO_ACTIVATION, negative_slope: 0.01,
    residual_place: INSTNORM_AFTER_ACTIVATION, threads: 0)
}

@c @implementation
public func instnorm_forward(
  _ planes: UnsafePointer<instnorm_planes>?, _ options: UnsafePointer<instnorm_options>?, _ x: UnsafeRawPointer?,
  _ scale: UnsafeRawPointer?, _ bias: UnsafeRawPointer?, _ residual: UnsafeRawPointer?, _ y: UnsafeMutableRawPointer?,
  _ mean: UnsafeMutablePointer<Double>?, _ invStd: UnsafeMutablePointer<Double>?
) -> instnorm_status {
  status("instnorm_forward") { () throws(CallError) in
    let (planes, options) = (try Planes(checking: planes), try Options(checking: options))
    let x = try Argument("x", x, data: planes)
    let y = try Argument("y", y, data: planes)
    let residual = try Argument("residual", residual, data: planes, isOptional: true)
    let (scale, bias) = (
      try Argument("scale", scale, parameters: planes), try Argument("bias", bias, parameters: planes)
    )
    let mean = try Argument("mean", mean, statistics: planes, isOptional: true)
    let inverses = try Argument("inv_std", invStd, statistics: planes, isOptional: true)
    try y.check(mayBe: [x, residual], apartFrom: [scale, bias])
    try mean.check(apartFrom: [x, y, residual, scale, bias])
    try inverses.check(apartFrom: [x, y, residual, scale, bias, mean])
    guard planes.valueCount > 0 || mean.base != nil || inverses.base != nil else { return }
    let call = NormCall(
      planes: planes, input: x.address, output: y.address, scale: scale.values(absent: 1), bias: bias.values(absent: 0),
      epsilon: options.epsilon, activation: options.activation, residual: residual.base, place: options.place,
      mean: mean.base?.assumingMemoryBound(to: Double.self), invStd: inverses.base?.assumingMemoryBound(to: Double.self)
    )
    try withMemory { try options.backend().run(call) }
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
    let (planes, options) = (try Planes(checking: planes), try Options(checking: options))
    let dy = try Argument("dy", dy, data: planes)
    let x = try Argument("x", x, data: planes)
    let residual = try Argument("residual", residual, data: planes, isOptional: true)
    let (scale, bias) = (
      try Argument("scale", scale, parameters: planes), try Argument("bias", bias, parameters: planes)
    )
    let mean = try Argument("mean", mean, statistics: planes)
    let inverses = try Argument("inv_std", invStd, statistics: planes)
    let dx = try Argument("dx", dx, data: planes, isOptional: true)
    let dscale = try Argument("dscale", dscale, parameters: planes)
    let dbias = try Argument("dbias", dbias, parameters: planes)
    let dresidual = try Argument("dresidual", dresidual, data: planes, isOptional: true)
    try dx.check(mayBe: [dy, x], apartFrom: [residual, scale, bias, mean, inverses])
    try dresidual.check(mayBe: [dy], apartFrom: [x, residual, scale, bias, mean, inverses, dx])
    try dscale.check(apartFrom: [dy, x, residual, scale, bias, mean, inverses, dx, dresidual])
    try dbias.check(apartFrom: [dy, x, residual, scale, bias, mean, inverses, dx, dresidual, dscale])

    // Where the residual comes after the activation, its gradient is dy; where it comes before, it is dy times the
    // activation's slope, which the kernels find on the way to dx.
    let isMasked = residual.base != nil && options.place == .beforeActivation && options.activation != .none
    if let dresidual = dresidual.base, !isMasked, dresidual != dy.address {
      dresidual.copyMemory(from: dy.address, byteCount: planes.byteCount)
    }
    let needsPlanes = isMasked && dresidual.base != nil
    guard dx.base != nil || dscale.base != nil || dbias.base != nil || needsPlanes else { return }
    try withMemory {
      let pool = MemoryPool.shared
      let sumsSize = 2 * planes.count * MemoryLayout<Double>.size
      let sums = try pool.allocate(byteCount: sumsSize)
      defer { pool.deallocate(sums, byteCount: sumsSize) }
      let isMissing = needsPlanes && dx.base == nil
      let room = isMissing ? try pool.allocate(byteCount: planes.byteCount) : nil
      defer { if let room { pool.deallocate(room, byteCount: planes.byteCount) } }
      let totals = sums.assumingMemoryBound(to: Double.self)
      if planes.count > 0 {
        let call = NormGradientCall(
          planes: planes, gradient: dy.address, input: x.address, scale: scale.values(absent: 1),
          bias: bias.values(absent: 0), activation: options.activation, residual: residual.base, place: options.place,
          mean: UnsafePointer(mean.address.assumingMemoryBound(to: Double.self)),
          invStd: UnsafePointer(inverses.address.assumingMemoryBound(to: Double.self)), sums: totals,
          inputGradient: dx.base ?? room, residualGradient: isMasked ? dresidual.base : nil)
        try options.backend().run(call)
      }
      for (row, target) in [(0, dbias), (1, dscale)] {
        guard let base = target.base else { continue }
        for map in 0..<planes.maps {
          var total = 0.0
          for image in 0..<planes.images { total += totals[(row * planes.images + image) * planes.maps + map] }
          if planes.dtype == .float64 {
            base.storeBytes(of: total, toByteOffset: map * 8, as: Double.self)
          } else {
            base.storeBytes(of: Float(total), toByteOffset: map * 4, as: Float.self)
          }
        }
      }
    }
  }
}

@c @implementation
public func instnorm_instruction_set() -> UnsafePointer<CChar>? { instructionSet }

/// For good, as its callers keep the pointer.
private nonisolated(unsafe) let instructionSet: UnsafePointer<CChar>? = {
  let name = Array(CPUBackend.shared.instructionSet.utf8CString)
  let copy = UnsafeMutablePointer<CChar>.allocate(capacity: name.count)
  copy.initialize(from: name, count: name.count)
  return UnsafePointer(copy)
}()

@c @implementation
public func instnorm_trim() { MemoryPool.shared.trim() }
