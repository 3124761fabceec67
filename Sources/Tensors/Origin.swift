/// What made a tensor, for those who take gradients: the class that theirs derive from.
open class Origin: @unchecked Sendable {
  // Unchecked: it does not change once a tensor has it.
  package init() {}
}
