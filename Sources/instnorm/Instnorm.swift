import ArgumentParser
import ArrayFiles
import Foundation
import Text

@main
struct Instnorm: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "instnorm",
    abstract: "Networks that turn pictures into pictures, and instance normalisation.",
    discussion: """
      Files that end in .npy are arrays: (C, H, W), (N, C, H, W) or (N, C, D, H, W). \(Picture.help)
      """,
    version: "0.1.0",
    subcommands: [
      Stylize.self, Styles.self, Train.self, Apply.self, Transfer.self, Fit.self, Summary.self, Convert.self,
      Stats.self, Figure.self, Bench.self, Devices.self, Selftest.self,
    ])

  /// Errors are one line on standard error; the exit status is 64 for usage and 1 for everything else.
  static func main() {
    ThisProcess.holdStandardStreams()
    ThisProcess.leaveNothingBehind()
    Foundation.exit(outcome().rawValue)
  }

  private static func outcome() -> ExitCode {
    do {
      let arguments = try ThisProcess.arguments()
      do {
        try checkVerb(arguments)
        var command = try parseAsRoot(arguments)
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
      tell("instnorm: \(oneLine(text).shown)\n")
      return isUsage ? code : .failure
    }
  }

  /// Says which verb may have been meant by one that there is not.
  private static func checkVerb(_ arguments: [String]) throws {
    let verbs = configuration.subcommands.compactMap { $0._commandName } + ["help"]
    guard let verb = arguments.first, !verb.hasPrefix("-"), !verbs.contains(verb) else { return }
    let meant = nearest(to: verb.lowercased(), among: verbs, count: 1, limit: 2).first
    throw ValidationError(
      "no verb '\(verb)'; " + (meant.map { "did you mean '\($0)'?" } ?? "there is \(verbs.joined(separator: ", "))"))
  }
}
