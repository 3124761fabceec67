import ArgumentParser
import ArrayFiles
import Dispatch
import Foundation

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

  /// Makes signals that end the process remove a file that is half written, and one too large an error of its write.
  private static func leaveNothingBehind() -> [any DispatchSourceSignal] {
    signal(SIGXFSZ, SIG_IGN)
    return [SIGINT, SIGTERM, SIGHUP].compactMap { number in
      // One that is ignored already is meant to be: under nohup, in the background of a script.
      let previous = signal(number, SIG_IGN)
      if unsafeBitCast(previous, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { return nil }
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        AtomicFile.abandonAll {
          // As if it had not been caught; also where whoever started the process has it blocked.
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
