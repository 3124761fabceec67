import CInstanceNorm
import InstanceNorm

/// What most calls here are of.
let shape: Shape = [2, 5, 7, 9]

func somePlanes(_ dtype: instnorm_dtype = INSTNORM_FLOAT32, _ layout: Layout = .nchw) -> instnorm_planes {
  instnorm_planes(
    images: 2, maps: 5, plane_size: 63, dtype: dtype, layout: layout == .nchw ? INSTNORM_NCHW : INSTNORM_NHWC)
}

func someOptions(_ activation: Activation, _ place: ResidualPlace, threads: Int32 = 0) -> instnorm_options {
  var options = instnorm_default_options()
  switch activation {
  case .none: options.activation = INSTNORM_NO_ACTIVATION
  case .relu: options.activation = INSTNORM_RELU
  case .leakyReLU(let slope):
    options.activation = INSTNORM_LEAKY_RELU
    options.negative_slope = slope
  }
  options.residual_place = place == .afterActivation ? INSTNORM_AFTER_ACTIVATION : INSTNORM_BEFORE_ACTIVATION
  options.threads = threads
  return options
}

extension Tensor {
  var address: UnsafeMutableRawPointer { storage.address }
  var doublesAddress: UnsafeMutablePointer<Double> { storage.address.assumingMemoryBound(to: Double.self) }
}
