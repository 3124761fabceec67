import CGPUKernels
import Calls
import Tensors

extension GPUBackend {
  package func run(_ call: TrackCall) throws {
    var kernelCall = StatisticsKernelCall()
    kernelCall.images = call.images
    kernelCall.maps = call.maps
    kernelCall.count = call.count
    kernelCall.momentum = bits(call.momentum)
    kernelCall.epsilon = bits(call.epsilon)
    try launch(
      .statistics, "track", .float32, items: call.maps,
      [call.mean, call.invStd, call.runningMean, call.runningVariance], kernelCall
    ) { "moving running statistics" }
  }

  package func run(_ call: RecallCall) throws {
    var kernelCall = StatisticsKernelCall()
    kernelCall.images = call.images
    kernelCall.maps = call.maps
    kernelCall.epsilon = bits(call.epsilon)
    try launch(
      .statistics, "recall", .float32, items: call.images * call.maps,
      [call.runningMean, call.runningVariance, call.mean, call.invStd], kernelCall
    ) { "looking up running statistics" }
  }
}
