import Calls
import Tensors

extension CPUBackend {
  package func run(_ call: ConvolutionCall) throws {
    if let tuned = TunedConvolution(call, convolutionKernels, elementKernels) { return try tuned.run(threads: threads) }
    ReferenceConvolution(call).run()
  }
}
