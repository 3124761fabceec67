import Calls
import Tensors

extension CPUBackend {
  package func run(_ call: PoolingCall) throws {
    if let plain = PlainPooling(call) { return plain.run(threads: threads) }
    ReferencePooling(call).run()
  }
}
