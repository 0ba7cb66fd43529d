"""The lecture's recurrent networks as the lecture writes them: NumPy, float64, one sequence.

These modules are to be read. Each equation stands as a comment above the line that computes it,
and the gradients are written out term by term, so that nothing is left to a library. They follow
Jimeng Sun's lecture on recurrent neural networks; the derivation of back-propagation through time
is that of Goodfellow, Bengio and Courville, Deep Learning (2016), section 10.2.2.

    losses            yhat = g(o) and its loss: softmax, logistic
    rnn, lstm, gru    a cell: from x_1 … x_T to the states h_1 … h_T, and back
    output            o = V h + b2, and back
    network           cell and output: a loss at every step, or at the last step only
    bidirectional     two cells, one reading from the last visit to the first
    encoder_decoder   the last state of one cell starts another
    cells             any of the cells by one name
    steps             how steps are numbered, and the sum over them
    from_torch        a cell from the weights of torch.nn.RNN, LSTM or GRU

Every network has a ``forward``, which returns a trace of all that the equations name, and a
``backward``, which walks the trace from T to 1 and returns the gradients in the dataclass of the
weights: where U is ``network.cell.U``, grad U is ``backward(trace).network.cell.U``. From Python:

    network = Network(RNN(U, W, b1), Output(V, b2))
    trace = forward(network, x, y, loss=losses.logistic, steps=LAST_STEP)
    trace.outputs.loss, trace.outputs.scored.yhat, trace.states.h
    backward(trace).network.cell.U

The networks that train on many patients are ``visitseq.models.RNN``, ``GRU`` and ``LSTM``. Tests
hold both to the same numbers.
"""
