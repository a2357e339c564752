#ifndef PROGRAM_PROGRAM_H_
#define PROGRAM_PROGRAM_H_

#include <string>

#include "absl/status/status.h"

namespace palimpsest {

// Before all else in a program. What of stdin, stdout and stderr is closed becomes what cannot be
// written, so that no file opened later takes its place; a closed pipe and a file that may not
// grow are errors to whoever writes to them, not the end.
void StartProgram();

// `text` as one line that does nothing to a terminal: messages quote what may hold anything.
std::string OneLine(const std::string& text);

// Prints "PROGRAM: message" as one line on stderr and returns `code`.
int Fail(const std::string& program, const absl::Status& status, int code = 1);

// Returns `code`, or 1 after a message if what was printed could not be written.
int EndProgram(const std::string& program, int code);

}  // namespace palimpsest

#endif  // PROGRAM_PROGRAM_H_
