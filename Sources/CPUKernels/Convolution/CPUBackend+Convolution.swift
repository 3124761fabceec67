import Calls
import Tensors

extension CPUBackend {
  package func run(_ call: ConvolutionCall) throws {
    ReferenceConvolution(call).run()
  }
}
