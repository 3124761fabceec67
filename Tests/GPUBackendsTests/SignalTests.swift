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

  @Test func `a signal that arrives while a driver is opened comes to the program`() async {
    await #expect(processExitsWith: .success) {
      takeSignals()
      let numbers = [SIGQUIT, SIGUSR1, SIGUSR2, SIGXCPU]
      for number in numbers { signal(number) { Arrived.signals.append($0) } }
      keepingSignals {
        for number in numbers {
          // As LLVM does, which loses it.
          signal(number) { _ in }
          raise(number)
        }
        #expect(Arrived.signals.isEmpty)
      }
      #expect(Arrived.signals.sorted() == numbers.sorted())
    }
  }

  @Test func `a driver that hangs can be ended`() async {
    await #expect(processExitsWith: .signal(SIGINT)) {
      takeSignals()
      keepingSignals {
        raise(SIGINT)
        exit(1)
      }
    }
    await #expect(processExitsWith: .signal(SIGTERM)) {
      takeSignals()
      keepingSignals {
        raise(SIGTERM)
        exit(1)
      }
    }
  }
}

/// Those of tasks take none.
private func takeSignals() {
  var all = sigset_t()
  sigfillset(&all)
  pthread_sigmask(SIG_UNBLOCK, &all, nil)
}

/// What handlers have seen, on one thread.
private enum Arrived {
  nonisolated(unsafe) static var signals: [Int32] = []
}
