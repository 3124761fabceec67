import Calls
import Tensors

extension CPUBackend {
  package func run(_ call: ReductionCall) throws {
    if call.kept.contains(0) { return }
    if !call.reduced.contains(0), let tuned = TunedReduction(call, elementKernels) {
      return try tuned.run(threads: threads)
    }
    if !call.reduced.contains(0), elementKernels != nil, let plain = PlainReduction(call) {
      return plain.run(threads: threads)
    }
    ReferenceReduction(call).run()
  }
}
