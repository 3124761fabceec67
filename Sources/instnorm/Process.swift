import ArgumentParser
import ArrayFiles
import CProcess
import Foundation
import Synchronization

/// The process that the tool runs in.
enum ThisProcess {
  /// The arguments behind the program's name. Names of files keep all of their bytes.
  ///
  /// - Throws: `ValidationError` when the system gave none, which is not the same as none behind the name.
  static func arguments() throws -> [String] {
    var list: UnsafePointer<UnsafeMutablePointer<CChar>?>?
    let count = Int(process_arguments(&list))
    guard count > 0, let list else {
      throw ValidationError("the system gave no arguments, not even the program's name")
    }
    return (1..<max(1, count)).compactMap { list[$0] }.map { argument in
      String(fileName: UnsafeBufferPointer(start: argument, count: strlen(argument)).map { UInt8(bitPattern: $0) })
    }
  }

  /// Opens standard input, output and error where they are closed. A file that is opened later would get their numbers,
  /// and messages with it; these fail instead.
  static func holdStandardStreams() {
    for number in STDIN_FILENO...STDERR_FILENO where fcntl(number, F_GETFD) < 0 {
      _ = open("/dev/null", O_RDONLY)
    }
  }

  /// Makes signals that end the process remove half-written files first, and a file that grows too large an error of
  /// the write.
  static func leaveNothingBehind() {
    signal(SIGXFSZ, SIG_IGN)
    guard process_prepare_for_signals() == 0 else { return }
    // The thread takes no signals itself: one of these handlers would wait in it for what it is to do.
    var (all, before) = (sigset_t(), sigset_t())
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, &before)
    Thread.detachNewThread {
      while true {
        let number = process_wait_for_signal()
        if let ask = whoIsAsked(number) {
          ask(number)
        } else {
          AtomicFile.abandonAll { process_end(number) }
        }
      }
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
    // Those that cannot be caught end the process as they always did.
    _ = process_catch_signals()
  }

  /// Has the first signal by which somebody asks the process to end call this in place of ending it.
  static func askOnce(_ body: @escaping @Sendable (_ signal: Int32) -> Void) { asked.withLock { $0 = body } }

  private static let asked = Mutex<(@Sendable (Int32) -> Void)?>(nil)

  private static func whoIsAsked(_ number: Int32) -> (@Sendable (Int32) -> Void)? {
    guard [SIGINT, SIGTERM, SIGHUP].contains(number) else { return nil }
    return asked.withLock { body in
      defer { body = nil }
      return body
    }
  }
}
