package media

// ReasonOf is why a file was refused.
var ReasonOf = reasonOf
