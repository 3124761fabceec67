#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Does what a driver may take for an occasion to handle signals, and then gives these back to the program: PoCL's
/// compiler, LLVM, takes most of them when it starts, and PoCL itself SIGFPE.
///
/// What the program handles itself meanwhile, on another thread, is undone as well; drivers start once.
///
/// Signals that arrive meanwhile come to the program afterwards, where LLVM's handlers would lose them. Those that ask a
/// process to end it passes on, and they do not wait: a driver may take long, or hang. Neither do the threads that drivers
/// start take signals that wait, then or later.
package func keepingSignals<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
  let kept = (1...lastSignal).map { ($0, disposition($0)) }
  var mask = sigset_t()
  var waiting = sigset_t()
  sigemptyset(&waiting)
  for signal in [SIGQUIT, SIGUSR1, SIGUSR2, SIGXCPU] { sigaddset(&waiting, signal) }
  pthread_sigmask(SIG_BLOCK, &waiting, &mask)
  defer {
    for (signal, before) in kept {
      guard var before, let now = disposition(signal), !isSame(before, now) else { continue }
      sigaction(signal, &before, nil)
    }
    pthread_sigmask(SIG_SETMASK, &mask, nil)
  }
  return try body()
}

#if canImport(Darwin)
  private let lastSignal: Int32 = 31
#else
  private let lastSignal: Int32 = 64
#endif

/// What a signal leads to; nil for one that is not the program's.
private func disposition(_ signal: Int32) -> sigaction? {
  var action = sigaction()
  return sigaction(signal, nil, &action) == 0 ? action : nil
}

private func isSame(_ first: sigaction, _ second: sigaction) -> Bool {
  // The handler comes first, whatever each system calls it; C libraries fill the mask up with what they find.
  func handler(_ action: sigaction) -> UInt { withUnsafeBytes(of: action) { $0.load(as: UInt.self) } }
  func blocks(_ action: sigaction, _ signal: Int32) -> Bool {
    var mask = action.sa_mask
    return sigismember(&mask, signal) == 1
  }
  return handler(first) == handler(second) && first.sa_flags == second.sa_flags
    && (1...lastSignal).allSatisfy { blocks(first, $0) == blocks(second, $0) }
}
