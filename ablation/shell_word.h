#ifndef ABLATION_SHELL_WORD_H_
#define ABLATION_SHELL_WORD_H_

#include <string>

namespace palimpsest {

// `text` as one word of a POSIX shell, whatever is in it: quoted where it has to be.
std::string ShellWord(const std::string& text);

}  // namespace palimpsest

#endif  // ABLATION_SHELL_WORD_H_
