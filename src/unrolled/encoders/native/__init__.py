"""RNN, LSTM and GRU on a CPU with their loop over time in C++; see `model.kernel`."""
