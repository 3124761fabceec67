import Foundation
import GPUBackends
import InstanceNorm
import Testing

/// In a process of its own, where drivers have not been opened.
@Suite struct SignalTests {
  @Test func `drivers leave the program its signals`() async {
    await #expect(processExitsWith: .success) {
      signal(SIGUSR1) { _ in }
      signal(SIGINT, SIG_IGN)
      // The handler comes first in the structure.
      func handlers() -> [UInt] {
        (Int32(1)...31).map { number in
          var action = sigaction()
          sigaction(number, nil, &action)
          return withUnsafeBytes(of: action) { $0.load(as: UInt.self) }
        }
      }
      let before = handlers()
      for device in GPUs.all.prefix(2).map({ Device($0) }) {
        let norm = try InstanceNorm2D(numOfMaps: 2)
        try norm.to(device)
        _ = try norm(Tensor.randomNormal([1, 2, 3, 3], seed: 1).to(device)).to(.cpu)
      }
      let changed = zip(1..., zip(before, handlers())).filter { $1.0 != $1.1 }.map(\.0)
      #expect(changed.isEmpty, "\(changed)")
    }
  }
}
