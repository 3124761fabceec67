import CGPUKernels
import Calls
import Tensors

extension GPUBackend {
  package func run(_ call: CombineCall) throws {
    try check(call.dtype, "arithmetic")
    let kernelCall = CombineKernelCall(count: call.count, a: bits(call.alpha), b: bits(call.beta))
    try launch(.updates, "combine", call.dtype, values: call.count, [call.x, call.target], kernelCall) {
      "arithmetic on \(call.count) values"
    }
  }

  package func run(_ call: AdamCall) throws {
    try check(call.dtype, "a step of Adam")
    let step = call.step
    var kernelCall = AdamKernelCall()
    kernelCall.count = call.count
    kernelCall.beta1 = bits(step.beta1)
    kernelCall.beta2 = bits(step.beta2)
    kernelCall.correction1 = bits(step.correction1)
    kernelCall.correction2 = bits(step.correction2)
    kernelCall.learnRate = bits(step.learnRate)
    kernelCall.epsilon = bits(step.epsilon)
    try launch(
      .updates, "adam", call.dtype, values: call.count,
      [call.gradient, call.parameter, call.firstMoment, call.secondMoment], kernelCall
    ) { "a step of Adam on \(call.count) values" }
  }
}
