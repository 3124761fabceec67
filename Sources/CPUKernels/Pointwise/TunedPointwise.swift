import CElementKernels
import CNormKernels
import Calls
import Tensors

/// On the kernels: float32 and narrower.
struct TunedPointwise {
  private let call: PointwiseCall
  private let kernels: ElementKernels
  private let form: element_pointwise

  init?(_ call: PointwiseCall, _ kernels: ElementKernels?, streamed: Int) {
    guard let kernels, let type = call.dtype.kernelType else { return nil }
    self.call = call
    self.kernels = kernels
    form = element_pointwise(
      call.function, type, stream: call.count * call.dtype.byteCount >= streamed && call.input != call.output)
  }

  func run(threads: Int) {
    let bytes = call.dtype.byteCount
    forEachPart(of: call.count, threads: threads) { part in
      let start = part.lowerBound * bytes
      withUnsafePointer(to: form) {
        kernels.table.pointwise($0, call.input + start, call.output + start, part.count)
      }
    }
  }
}

struct TunedPointwiseGradient {
  private let call: PointwiseGradientCall
  private let kernels: ElementKernels
  private let form: element_pointwise

  init?(_ call: PointwiseGradientCall, _ kernels: ElementKernels?, streamed: Int) {
    guard let kernels, let type = call.dtype.kernelType else { return nil }
    self.call = call
    self.kernels = kernels
    let isInPlace = call.output == call.gradient || call.output == call.value
    var form = element_pointwise(
      call.function, type, stream: call.count * call.dtype.byteCount >= streamed && !isInPlace)
    if case .clamp(let least, let most) = call.function {
      // Rounded inwards: so float32 values compare as they do with the numbers themselves.
      form.a = Double(Float(least).double < least ? Float(least).nextUp : Float(least))
      form.b = Double(Float(most).double > most ? Float(most).nextDown : Float(most))
    }
    self.form = form
  }

  func run(threads: Int) {
    let bytes = call.dtype.byteCount
    forEachPart(of: call.count, threads: threads) { part in
      let start = part.lowerBound * bytes
      withUnsafePointer(to: form) {
        kernels.table.pointwise_gradient(
          $0, call.gradient + start, call.value + start, call.output + start, part.count)
      }
    }
  }
}

extension element_pointwise {
  fileprivate init(_ function: PointwiseFunction, _ type: norm_type, stream: Bool) {
    let (kind, a, b): (element_function, Double, Double) =
      switch function {
      case .activation(let activation): (.rectify, activation.negativeSlope, 0)
      case .tanh: (.tanh, 0, 0)
      case .sigmoid: (.sigmoid, 0, 0)
      case .exp: (.exp, 0, 0)
      case .log: (.log, 0, 0)
      case .squareRoot: (.square_root, 0, 0)
      case .absolute: (.absolute, 0, 0)
      case .square: (.square, 0, 0)
      case .clamp(let least, let most): (.clamp, least, most)
      case .softplus: (.softplus, 0, 0)
      case .gelu: (.gelu, 0, 0)
      case .silu: (.silu, 0, 0)
      case .negate: (.negate, 0, 0)
      case .reciprocal: (.reciprocal, 0, 0)
      case .affine(let scale, let offset): (.affine, scale, offset)
      }
    self.init(type: type, function: kind, stream: stream, a: a, b: b)
  }
}
