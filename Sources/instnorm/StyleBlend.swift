import ArgumentParser
import ArrayFiles
import Generators

/// How much of each of several styles, as `--style` says it: `ink`, `ink,dots` in equal parts, `ink:0.7,dots:0.3`.
struct StyleBlend {
  private(set) var weights: [String: Double] = [:]

  /// - Parameters:
  ///   - text: names or numbers of styles with commas between them, each with a colon and a weight if wanted.
  ///   - names: of the styles.
  /// - Throws: `ValidationError`.
  init(_ text: String, of names: [String]) throws {
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let pieces = part.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard let weight = pieces.count == 1 ? 1 : Double(pieces[1]), pieces.count <= 2, weight >= 0, weight.isFinite
      else {
        throw ValidationError("--style: expected a name, or names with weights as in a:0.7,b:0.3; got '\(text.shown)'")
      }
      // A number counts the styles, unless one is called so.
      let number = Int(pieces[0]).flatMap { names.indices.contains($0) ? names[$0] : nil }
      guard let name = names.contains(pieces[0]) ? pieces[0] : number else {
        throw ValidationError("--style: \(choice(of: names, for: pieces[0], "style")); got '\(pieces[0].shown)'")
      }
      weights[name, default: 0] += weight
    }
    guard weights.values.contains(where: { $0 > 0 }) else {
      throw ValidationError("--style: expected a weight of more than 0; got '\(text.shown)'")
    }
  }
}
