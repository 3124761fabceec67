/// How exactly a plan's convolutions are computed.
///
/// Either way, what they give is float32 and within the error of float32 sums. On a network of sixteen convolutions the
/// largest error, by a float64 reference and of the output's range, is about the same.
public enum Precision: String, CaseIterable, Hashable, Sendable {
  /// In float32, those of 3x3 places by Winograd's algorithm, F(4x4, 3x3), which takes a fourth of the products.
  case float32
  /// In float32, every product as the definition has it.
  case exact
}
