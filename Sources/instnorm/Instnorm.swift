import ArgumentParser
import ArrayFiles
import Dispatch
import Foundation
import Text

@main
struct Instnorm: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "instnorm",
    abstract: "Instance normalisation of pictures and arrays.",
    discussion: """
      Files that end in .npy are arrays: (C, H, W), (N, C, H, W) or (N, C, D, H, W). \(Picture.help)
      """,
    version: "0.1.0",
    subcommands: [
      Apply.self, Transfer.self, Fit.self, Stats.self, Figure.self, Bench.self, Devices.self, Selftest.self,
    ])

  /// Errors are one line on standard error; the exit status is 64 for usage and 1 for everything else.
  static func main() {
    let signals = leaveNothingBehind()
    let status = withExtendedLifetime(signals, outcome)
    Foundation.exit(status.rawValue)
  }

  private static func outcome() -> ExitCode {
    do {
      do {
        var command = try parseAsRoot()
        try command.run()
      } catch  where exitCode(for: error) == .success {
        // Help, or the version.
        try say(fullMessage(for: error))
      }
      return .success
    } catch {
      let code = exitCode(for: error)
      let isUsage = code == .validationFailure
      let text = isUsage ? message(for: error) : "\(error)"
      tell("instnorm: \(oneLine(text))\n")
      return isUsage ? code : .failure
    }
  }

  /// Makes signals that end the process remove half-written files first, and a file that grows too large an error of
  /// the write.
  private static func leaveNothingBehind() -> [any DispatchSourceSignal] {
    signal(SIGXFSZ, SIG_IGN)
    return [SIGINT, SIGTERM, SIGHUP].compactMap { number in
      // A signal that is already ignored stays so: under nohup, or in the background of a script.
      let previous = signal(number, SIG_IGN)
      if unsafeBitCast(previous, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { return nil }
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        AtomicFile.abandonAll {
          // End as if the signal had not been caught, even if whoever started the process has blocked it.
          signal(number, SIG_DFL)
          kill(getpid(), number)
          var signals = sigset_t()
          sigemptyset(&signals)
          sigaddset(&signals, number)
          pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        }
      }
      source.resume()
      return source
    }
  }
}
