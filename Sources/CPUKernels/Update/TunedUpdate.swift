import CElementKernels
import CNormKernels
import Calls
import Tensors

extension CPUBackend {
  package func run(_ call: CombineCall) throws {
    if let tuned = TunedCombine(call, elementKernels) { return tuned.run(threads: threads) }
    try runPlainly(call)
  }

  package func run(_ call: AdamCall) throws {
    if let tuned = TunedAdam(call, elementKernels) { return tuned.run(threads: threads) }
    try runPlainly(call)
  }
}

/// On the kernels, which do in float64 what plain Swift does: the bits are the same.
private struct TunedCombine {
  private let call: CombineCall
  private let kernels: ElementKernels
  private let type: norm_type

  init?(_ call: CombineCall, _ kernels: ElementKernels?) {
    guard let kernels, let type = call.dtype.kernelType else { return nil }
    self.call = call
    self.kernels = kernels
    self.type = type
  }

  func run(threads: Int) {
    forEachPart(of: call.count, threads: threads) { part in
      let start = part.lowerBound * call.dtype.byteCount
      kernels.table.combine(type, call.alpha, call.x + start, call.beta, call.target + start, part.count)
    }
  }
}

private struct TunedAdam {
  private let call: AdamCall
  private let kernels: ElementKernels
  private let type: norm_type

  init?(_ call: AdamCall, _ kernels: ElementKernels?) {
    guard let kernels, let type = call.dtype.kernelType else { return nil }
    self.call = call
    self.kernels = kernels
    self.type = type
  }

  func run(threads: Int) {
    let step = call.step
    let numbers = element_adam(
      learn_rate: step.learnRate, beta1: step.beta1, beta2: step.beta2, epsilon: step.epsilon,
      correction1: step.correction1, correction2: step.correction2)
    forEachPart(of: call.count, threads: threads) { part in
      let start = part.lowerBound * call.dtype.byteCount
      withUnsafePointer(to: numbers) {
        kernels.table.adam(
          type, $0, call.gradient + start, call.parameter + start, call.firstMoment + start,
          call.secondMoment + start, part.count)
      }
    }
  }
}
